"""The doctor on the local cloud, on a cloud that is not there, and what it finds left behind."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from livetui.aws import Aws, CloudAccess
from livetui.cloud import LocalCloud
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.link.presence import announce_gone
from livetui.stack import template
from livetui.stack.attach import attach, restore
from livetui.stack.bootstrap import Bootstrap, ensure, remove
from livetui.stack.deployment import deploy_live, environments, remove_live
from livetui.stack.doctor import examine
from livetui.stack.park import park, resume
from livetui.stack.policy import Place, attach_policy, bootstrap_policy, needed_policy, place_of
from tests.integration.stack.test_attach import make_function, remove_function

MakeSettings = Callable[..., Settings]


def test_a_healthy_project(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    checks = examine(make_settings(), aws.access)
    assert {check.name for check in checks} >= {"template", "credentials", "clock", "region", "IoT", "bootstrap",
                                                "permissions", "attached functions", "parked"}
    assert all(check.ok for check in checks), [check for check in checks if not check.ok]
    assert bootstrap.bucket in next(check.detail for check in checks if check.name == "bootstrap")


def test_another_region_than_the_real_stacks_is_said(aws: Aws, bootstrap: Bootstrap,
                                                     make_settings: MakeSettings) -> None:
    settings = make_settings()
    (settings.root / "samconfig.toml").write_text('[default.deploy.parameters]\nregion = "us-east-2"\n')
    check = next(check for check in examine(settings, aws.access) if check.name == "region")
    assert (check.ok, check.hint) == (False, "If this is not meant: --region us-east-2")


def test_where_small_messages_are_slow_it_is_said(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> str:
        return next(check.detail for check in examine(make_settings(), aws.access) if check.name == "IoT")

    def without_descriptors(folder: str, whole: Callable[[str], list[str]] = os.listdir) -> list[str]:
        return [] if folder in ("/proc/self/fd", "/dev/fd") else whole(folder)

    assert "TCP_NODELAY" not in said()
    monkeypatch.setattr("os.listdir", without_descriptors)  # as on a system that shows no process its descriptors
    assert "TCP_NODELAY cannot be set" in said()


def test_what_was_parked_is_found(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    settings = make_settings()
    deploy_live(template.load(settings), aws, bootstrap, settings, lambda _: None)
    park(aws, bootstrap, settings, lambda _: None)
    check = next(check for check in examine(settings, aws.access) if check.name == "parked")
    assert not check.ok
    assert "livetui resume" in check.hint
    resume(aws, bootstrap, settings, lambda _: None)


def test_wrong_keys_stop_at_the_credentials(aws: Aws, make_settings: MakeSettings) -> None:
    wrong = replace(aws.access, access_key_id="AKIA0000NOBODY000000", secret_access_key="wrong")
    checks = examine(make_settings(), wrong)
    assert [check.name for check in checks if not check.ok] == ["credentials"]
    assert "bootstrap" not in {check.name for check in checks}
    assert not checks[-1].ok
    assert checks[-1].hint


def test_a_missing_parameter_and_region_are_said(make_settings: MakeSettings) -> None:
    settings = make_settings()
    path = settings.root / "template.yaml"
    path.write_text(path.read_text().replace("    Default: hello\n", ""))
    checks = examine(settings, CloudAccess(profile="there-is-no-such-profile"))
    wrong = {check.name: check for check in checks if not check.ok}
    assert wrong.keys() == {"template", "credentials"}
    assert "Greeting" in wrong["template"].hint


PLACE = Place("aws", "eu-west-1", "123456789012", "livetui-bootstrap-bucket-1abcdefghijkl")


def test_the_administrators_policies_name_one_stage_only() -> None:
    everywhere = {action for statement in needed_policy("shop", "dev", PLACE)["Statement"]
                  for action in statement["Action"] if "*" in statement["Resource"]}
    assert everywhere == {"iot:DescribeEndpoint", "iam:ListAccountAliases", "scheduler:ListSchedules",
                          "cloudformation:ListExports"}, "these take no resource"
    resources = [resource for statement in needed_policy("shop", "dev", PLACE)["Statement"]
                 for resource in statement["Resource"]]
    assert {resource for resource in resources if resource.startswith("arn:aws:s3:::")} == {
        f"arn:aws:s3:::{PLACE.bucket}{path}"
        for path in ("", "/*/shop/dev/*", "/*/shop/dev.json", "/stubs/*", "/apps/*", "/attached/*")}


@pytest.mark.parametrize(("app", "stage", "limit"), [(12, 12, 6144), (32, 32, 10_240)])
def test_each_policy_fits_a_managed_one_and_with_the_longest_names_an_inline_one(app: int, stage: int,
                                                                                limit: int) -> None:
    names = "a" * app, "b" * stage
    place = replace(PLACE, region="ap-southeast-2")
    for policy in (needed_policy(*names, place), bootstrap_policy(place),
                   attach_policy(*names, place, ["orders-production"])):
        assert len(json.dumps(policy, separators=(",", ":"))) <= limit, "IAM quotas"


def somebody(aws: Aws, **policies: dict[str, Any]) -> Aws:
    """A user who may what the policies say and nothing else."""
    iam, name = aws.client("iam"), f"u{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    for policy, document in policies.items():
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Aws(replace(aws.access, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]))


def test_the_policies_are_enough_and_needed(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    """A whole life of a stage and of an attached function, as a user who has these policies only."""
    settings, function = make_settings(), f"f{uuid.uuid4().hex[:8]}"
    make_function(aws, function)
    place = place_of(aws)
    stage = needed_policy(settings.app, settings.stage, place)
    user = somebody(aws, stage=stage, attach=attach_policy(settings.app, settings.stage, place, [function]))
    try:
        assert ensure(user, lambda _: None).bucket == bootstrap.bucket
        live = deploy_live(template.load(settings), user, bootstrap, settings, lambda _: None)
        environments(user, live.functions.values())
        announce_gone(user, live.app, live.stage, live.signing_key)
        park(user, bootstrap, settings, lambda _: None)
        resume(user, bootstrap, settings, lambda _: None)
        attach(user, bootstrap, settings, [function], lambda _: None, None)
        restore(user, bootstrap, lambda _: None, [function])
        assert remove_live(user, settings, lambda _: None, log_groups=True)
        with pytest.raises(LivetuiError, match=r"not authorized|AccessDenied"):
            attach(somebody(aws, stage=stage), bootstrap, settings, [function], lambda _: None, None)
    finally:
        remove_function(aws, function)


@pytest.mark.long
def test_the_bootstrap_policy_is_enough() -> None:
    with LocalCloud.start() as cloud:
        root = Aws(cloud.access)
        user = somebody(root, bootstrap=bootstrap_policy(place_of(root)))
        ensure(user, lambda _: None)
        assert remove(user, lambda _: None)
