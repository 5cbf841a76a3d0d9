"""The doctor on the local cloud, on a cloud that is not there, and what it finds left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from livetui.aws import Aws, CloudAccess
from livetui.config import Settings
from livetui.stack import template
from livetui.stack.bootstrap import Bootstrap
from livetui.stack.deployment import deploy_live
from livetui.stack.doctor import examine, needed_policy
from livetui.stack.park import park, resume

MakeSettings = Callable[..., Settings]


def test_a_healthy_project(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    checks = examine(make_settings(), aws.access)
    assert {check.name for check in checks} >= {"template", "credentials", "clock", "IoT", "bootstrap", "permissions",
                                                "attached functions", "parked"}
    assert all(check.ok for check in checks), [check for check in checks if not check.ok]
    assert bootstrap.bucket in next(check.detail for check in checks if check.name == "bootstrap")


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
    assert [check.name for check in checks] == ["template", "credentials"]
    assert not checks[-1].ok
    assert checks[-1].hint


def test_a_missing_parameter_and_region_are_said(make_settings: MakeSettings) -> None:
    settings = make_settings()
    path = settings.root / "template.yaml"
    path.write_text(path.read_text().replace("    Default: hello\n", ""))
    checks = examine(settings, CloudAccess(profile="there-is-no-such-profile"))
    assert [(check.name, check.ok) for check in checks] == [("template", False), ("credentials", False)]
    assert "Greeting" in checks[0].hint


def test_the_administrators_policy_names_one_stage_only() -> None:
    policy = needed_policy("shop", "dev")
    resources = [resource for statement in policy["Statement"] for resource in statement["Resource"]]
    assert any("stack/shop-dev-live/*" in resource for resource in resources)
    assert [resource for resource in resources if resource == "*"] == ["*"], "iot:DescribeEndpoint takes no resource"
