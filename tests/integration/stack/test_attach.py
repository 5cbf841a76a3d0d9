"""Attaching to a deployed function and giving everything back exactly."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import livetui.stack.attach as attach_module
from livetui.aws import Aws
from livetui.cloud import LocalCloud
from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.stack.attach import application_of, attach, restore
from livetui.stack.attachment import attached
from livetui.stack.bootstrap import ATTACHED, Bootstrap, ensure, find, remove
from livetui.stack.drift import changed_elsewhere, live_ones

MakeSettings = Callable[..., Settings]
VOLATILE = {"LastModified", "RevisionId", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode",
            "State", "StateReason", "StateReasonCode", "ResponseMetadata"}


def zipped(**files: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.py", content)
    return stream.getvalue()


@pytest.fixture
def function(aws: Aws) -> Iterator[str]:
    """A deployed function of somebody else."""
    name = f"f{uuid.uuid4().hex[:8]}"
    make_function(aws, name)
    yield name
    remove_function(aws, name)


def make_function(aws: Aws, name: str) -> None:
    """A deployed function with a layer, variables and a resource policy."""
    role = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                       "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    awslambda = aws.client("lambda")
    layer = awslambda.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(own="VALUE = 1")})
    awslambda.create_function(
        FunctionName=name, Role=role, Runtime="python3.12", Handler="app.handler", Timeout=7, MemorySize=192,
        Code={"ZipFile": zipped(app="import os\ndef handler(event, context):\n    return os.environ['MINE']\n")},
        Layers=[layer["LayerVersionArn"]], Environment={"Variables": {"MINE": "own code"}})
    awslambda.add_permission(FunctionName=name, StatementId="s", Action="lambda:InvokeFunction",
                             Principal="events.amazonaws.com")


def remove_function(aws: Aws, name: str) -> None:
    aws.client("lambda").delete_function(FunctionName=name)
    aws.client("iam").delete_role(RoleName=name)


def state(aws: Aws, function: str) -> dict[str, Any]:
    awslambda, iam = aws.client("lambda"), aws.client("iam")
    alone = awslambda.get_function_configuration(FunctionName=function)
    whole = awslambda.get_function(FunctionName=function)
    whole["Code"].pop("Location", None)
    configuration = {key: value for key, value in whole.pop("Configuration").items() if key not in VOLATILE}
    return {"function": {key: value for key, value in whole.items() if key not in VOLATILE},
            "configuration": configuration,
            "alone": {key: value for key, value in alone.items() if key not in VOLATILE},
            "policy": json.loads(awslambda.get_policy(FunctionName=function)["Policy"]),
            "role": {key: value for key, value in iam.get_role(RoleName=function)["Role"].items()
                     if key != "RoleLastUsed"},
            "inline": {policy: iam.get_role_policy(RoleName=function, PolicyName=policy)["PolicyDocument"]
                       for policy in iam.list_role_policies(RoleName=function)["PolicyNames"]},
            "attached": iam.list_attached_role_policies(RoleName=function)["AttachedPolicies"]}


def test_attach_and_restore_leave_the_function_as_it_was(aws: Aws, bootstrap: Bootstrap, function: str,
                                                         make_settings: MakeSettings) -> None:
    before = state(aws, function)
    live = attach(aws, bootstrap, make_settings(), [function], lambda _: None)

    assert live.functions[function].handler == "app.handler"
    now = aws.client("lambda").get_function_configuration(FunctionName=function)
    assert now["Handler"] == "livetui_attached.handler"
    assert (now["Timeout"], now["MemorySize"]) == (900, 512)
    assert [item.function for item in attached(aws, bootstrap)] == [function]

    # A console that is killed here leaves the snapshot; another one restores from it.
    assert restore(aws, bootstrap, lambda _: None, [function]) == [function]
    assert state(aws, function) == before
    assert attached(aws, bootstrap) == []


@pytest.mark.long
def test_without_a_console_the_functions_own_code_runs(aws: Aws, bootstrap: Bootstrap, function: str,
                                                       make_settings: MakeSettings) -> None:
    attach(aws, bootstrap, make_settings(), [function], lambda _: None)
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == "own code"
    restore(aws, bootstrap, lambda _: None, [function])


@pytest.mark.long
def test_attaching_twice_still_restores_the_original(aws: Aws, bootstrap: Bootstrap, function: str,
                                                     make_settings: MakeSettings) -> None:
    before = state(aws, function)
    settings = make_settings()
    attach(aws, bootstrap, settings, [function], lambda _: None)
    attach(aws, bootstrap, settings, [function], lambda _: None)
    with pytest.raises(LivetuiError, match="cannot be attached"):
        attach(aws, bootstrap, make_settings(), [function], lambda _: None)
    restore(aws, bootstrap, lambda _: None, [function])
    assert state(aws, function) == before


@pytest.mark.long
def test_a_function_deployed_again_keeps_its_new_handler(aws: Aws, bootstrap: Bootstrap, function: str,
                                                         make_settings: MakeSettings) -> None:
    attach(aws, bootstrap, make_settings(), [function], lambda _: None)
    awslambda = aws.client("lambda")
    awslambda.update_function_configuration(FunctionName=function, Handler="newer.handler")
    restore(aws, bootstrap, lambda _: None, [function])
    now = awslambda.get_function_configuration(FunctionName=function)
    assert now["Handler"] == "newer.handler"
    assert "LIVETUI" not in now["Environment"]["Variables"]
    assert len(now["Layers"]) == 1


def redeploy(aws: Aws, function: str, **also: Any) -> None:
    """What a pipeline does: new code and a whole new configuration."""
    awslambda = aws.client("lambda")
    awslambda.update_function_code(FunctionName=function, ZipFile=zipped(newer="def handler(e, c):\n    return 'new'\n"))
    awslambda.update_function_configuration(FunctionName=function, Handler="newer.handler", Timeout=11, MemorySize=256,
                                            Layers=[], Environment={"Variables": {"NEW": "1"}}, **also)


def test_a_function_deployed_between_two_attaches_comes_back_as_it_was_deployed(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:
    settings = local_code(make_settings(), "app", "newer")
    attach(aws, bootstrap, settings, [function], lambda _: None)
    redeploy(aws, function)
    assert changed_elsewhere(aws, {"it": function}) == {"it": "its handler is newer.handler"}
    deployed = state(aws, function)
    again = attach(aws, bootstrap, settings, [function], lambda _: None)
    assert (again.functions[function].handler, again.functions[function].timeout_s) == ("newer.handler", 11)
    assert changed_elsewhere(aws, live_ones(again.functions.values())) == {}
    restore(aws, bootstrap, lambda _: None, [function])
    del deployed["inline"][f"livetui-{function}"]
    assert state(aws, function) == deployed


def test_what_others_changed_while_attached_stays_changed(aws: Aws, bootstrap: Bootstrap, function: str,
                                                          make_settings: MakeSettings) -> None:
    """A variable, a timeout and a layer; the handler is still ours, and a second attach does not forget its own."""
    settings = local_code(make_settings(), "app")
    attach(aws, bootstrap, settings, [function], lambda _: None)
    awslambda = aws.client("lambda")
    now = awslambda.get_function_configuration(FunctionName=function)
    added = awslambda.publish_layer_version(LayerName=f"{function}-b", Content={"ZipFile": zipped(b="B = 1")})
    awslambda.update_function_configuration(
        FunctionName=function, Timeout=33, Layers=[*(layer["Arn"] for layer in now["Layers"]), added["LayerVersionArn"]],
        Environment={"Variables": {**now["Environment"]["Variables"], "ADDED": "x"}})
    attach(aws, bootstrap, settings, [function], lambda _: None)
    restore(aws, bootstrap, lambda _: None, [function])
    after = awslambda.get_function_configuration(FunctionName=function)
    assert (after["Handler"], after["Timeout"], after["MemorySize"]) == ("app.handler", 33, 192)
    assert after["Environment"]["Variables"] == {"MINE": "own code", "ADDED": "x"}
    assert [layer["Arn"].split(":")[-2] for layer in after["Layers"]] == [function, f"{function}-b"]


def test_without_its_snapshot_the_stub_itself_tells_what_was_there(aws: Aws, bootstrap: Bootstrap, function: str,
                                                                   make_settings: MakeSettings) -> None:
    before, settings = state(aws, function), local_code(make_settings(), "app")
    attach(aws, bootstrap, settings, [function], lambda _: None)
    aws.client("s3").delete_object(Bucket=bootstrap.bucket, Key=f"{ATTACHED}{function}.json")
    attach(aws, bootstrap, settings, [function], lambda _: None)
    restore(aws, bootstrap, lambda _: None, [function])
    assert state(aws, function) == before


def test_functions_with_the_same_logical_id_are_told_apart(aws: Aws, bootstrap: Bootstrap,
                                                           make_settings: MakeSettings) -> None:
    settings = local_code(make_settings(), "app")
    body = json.dumps({"Resources": {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17",
                 "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                                "Action": "sts:AssumeRole"}]}}},
        "Hello": {"Type": "AWS::Lambda::Function", "Properties": {
            "Handler": "app.handler", "Runtime": "python3.12", "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": "def handler(e, c):\n    return 1\n"}}}}})
    stacks = [f"s{uuid.uuid4().hex[:8]}" for _ in range(3)]
    cloudformation = aws.client("cloudformation")
    try:
        for stack in stacks:
            cloudformation.create_stack(StackName=stack, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
            cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
        alone = attach(aws, bootstrap, settings, stacks[:1], lambda _: None)
        assert list(alone.functions) == ["Hello"]
        both = attach(aws, bootstrap, settings, stacks[1:], lambda _: None)
        assert sorted(both.functions) == sorted(item.name for item in both.functions.values()), "one is called Hello"
        known = [item.id for item in attached(aws, bootstrap) if item.app == settings.app]
        assert len(set(known)) == len(known) == 3
    finally:
        restore(aws, bootstrap, lambda _: None)
        for stack in stacks:
            cloudformation.delete_stack(StackName=stack)


def test_restore_takes_ones_own_unless_told(aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    settings = local_code(make_settings(), "app")
    monkeypatch.setattr("getpass.getuser", lambda: "colleague")
    attach(aws, bootstrap, settings, [function], lambda _: None)
    monkeypatch.undo()
    assert function not in restore(aws, bootstrap, lambda _: None)
    assert function in {item.function for item in attached(aws, bootstrap)}
    assert function in restore(aws, bootstrap, lambda _: None, everyones=True)


def test_a_function_whose_code_is_not_here_is_refused_with_what_to_write(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:
    settings = make_settings()
    for folder in ("one", "two/three"):
        (settings.root / folder).mkdir(parents=True)
        (settings.root / folder / "app.py").write_text("")
    (settings.root / "src" / "app.py").unlink()
    with pytest.raises(LivetuiError) as refused:
        attach(aws, bootstrap, settings, [function], lambda _: None)
    assert "app.handler is in one, two/three" in refused.value.why
    assert f'[functions."{function}"] code = "FOLDER"' in refused.value.why
    (settings.root / "livetui.toml").write_text(f'[functions."{function}"]\ncode = "two/three"\n')
    live = attach(aws, bootstrap, make_settings(), [function], lambda _: None)
    assert live.functions[function].code_root == settings.root / "two/three"
    restore(aws, bootstrap, lambda _: None, [function])


def local_code(settings: Settings, *modules: str) -> Settings:
    """The modules of the functions' handlers, in the project's folder, which has no template."""
    for module in modules:
        (settings.root / f"{module}.py").write_text("def handler(event, context):\n    return 'local'\n")
    (settings.root / "template.yaml").unlink(missing_ok=True)
    assert application_of(settings) is None
    return settings


def test_a_trigger_through_an_alias_is_refused_before_anything_changes(
        aws: Aws, bootstrap: Bootstrap, function: str, make_settings: MakeSettings) -> None:
    awslambda = aws.client("lambda")
    version = awslambda.publish_version(FunctionName=function)["Version"]
    awslambda.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    awslambda.add_permission(FunctionName=function, Qualifier="live", StatementId="t", Action="lambda:InvokeFunction",
                             Principal="events.amazonaws.com")
    with pytest.raises(LivetuiError) as refused:
        attach(aws, bootstrap, make_settings(), [function], lambda _: None)
    assert "live" in refused.value.why
    assert attached(aws, bootstrap) == []


def test_an_unknown_target_is_a_wrong_usage(aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        attach(aws, bootstrap, make_settings(), ["nowhere"], lambda _: None)


def test_a_name_that_no_stack_can_have_is_not_asked_for_as_one(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings) -> None:
    asked: list[Any] = []
    cloudformation = aws.client("cloudformation")
    cloudformation.meta.events.register("before-call.cloudformation.DescribeStacks", lambda **_: asked.append(1),
                                        unique_id="asked")
    try:
        with pytest.raises(UsageError, match="with_underscore"):
            attach(aws, bootstrap, make_settings(), ["with_underscore"], lambda _: None)
    finally:
        cloudformation.meta.events.unregister("before-call.cloudformation.DescribeStacks", unique_id="asked")
    assert asked == []


def test_what_cannot_be_attached_is_refused_with_its_reason(aws: Aws, bootstrap: Bootstrap, function: str,
                                                            make_settings: MakeSettings) -> None:
    """A live copy, and a handler without a module."""
    settings, awslambda = local_code(make_settings(), "app"), aws.client("lambda")
    for handler, reason in (("stub_runtime.handler.handler", "livetui deployed it"), ("bootstrap", "is in no folder")):
        awslambda.update_function_configuration(FunctionName=function, Handler=handler)
        with pytest.raises(LivetuiError) as refused:
            attach(aws, bootstrap, settings, [function], lambda _: None)
        assert reason in refused.value.why
    assert attached(aws, bootstrap) == []


def test_an_attach_that_breaks_off_spoils_no_restore(aws: Aws, bootstrap: Bootstrap, function: str,
                                                     make_settings: MakeSettings,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    before, settings = state(aws, function), local_code(make_settings(), "app")
    attach(aws, bootstrap, settings, [function], lambda _: None)

    def broken(*_: Any, **__: Any) -> None:
        raise LivetuiError("broken off")

    monkeypatch.setattr("livetui.stack.attach.longest_timeout", lambda *_: 77)
    monkeypatch.setattr("livetui.stack.attach.configure", broken)
    with pytest.raises(LivetuiError, match="broken off"):
        attach(aws, bootstrap, settings, [function], lambda _: None)
    monkeypatch.undo()
    layers = attached(aws, bootstrap)[0].made_layers
    assert len(layers) == 2
    restore(aws, bootstrap, lambda _: None, [function])
    assert state(aws, function) == before
    left = aws.client("lambda").list_layer_versions(LayerName=layers[0].rsplit(":", 1)[0])["LayerVersions"]
    assert left == []


def test_the_note_of_a_function_holds_no_variable(aws: Aws, bootstrap: Bootstrap, function: str,
                                                  make_settings: MakeSettings) -> None:
    attach(aws, bootstrap, local_code(make_settings(), "app"), [function], lambda _: None)
    note = aws.client("s3").get_object(Bucket=bootstrap.bucket, Key=f"{ATTACHED}{function}.json")["Body"].read()
    assert b"own code" not in note
    restore(aws, bootstrap, lambda _: None, [function])


def test_one_refusal_does_not_keep_the_others_from_being_restored(
        aws: Aws, bootstrap: Bootstrap, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, names = local_code(make_settings(), "app"), [f"{letter}{uuid.uuid4().hex[:8]}" for letter in "ab"]
    for name in names:
        make_function(aws, name)
    try:
        attach(aws, bootstrap, settings, names, lambda _: None)
        real = attach_module.configure

        def refusing_one(aws: Aws, function: str, **properties: Any) -> None:
            if function == names[0]:
                raise LivetuiError("not allowed")
            real(aws, function, **properties)

        monkeypatch.setattr(attach_module, "configure", refusing_one)
        with pytest.raises(LivetuiError, match="not allowed"):
            restore(aws, bootstrap, lambda _: None, names)
        assert [item.function for item in attached(aws, bootstrap) if item.function in names] == names[:1]
        monkeypatch.undo()
        restore(aws, bootstrap, lambda _: None, names)
    finally:
        for name in names:
            remove_function(aws, name)


def test_a_glob_of_production_needs_its_name_typed(aws: Aws, bootstrap: Bootstrap,
                                                   make_settings: MakeSettings) -> None:
    name = f"g{uuid.uuid4().hex[:8]}-prod"
    make_function(aws, name)
    try:
        with pytest.raises(UsageError, match="looks like production"):
            attach(aws, bootstrap, local_code(make_settings(), "app"), [f"{name[:-4]}*"], lambda _: None)
    finally:
        remove_function(aws, name)


def test_the_bootstrap_stays_while_functions_are_attached() -> None:
    with LocalCloud.start() as cloud:
        aws = Aws(cloud.access)
        bootstrap = ensure(aws, lambda _: None)
        key = f"{ATTACHED}kept.json"
        aws.client("s3").put_object(Bucket=bootstrap.bucket, Key=key, Body=b"{}")
        with pytest.raises(LivetuiError, match=r"1 function.* attached: kept"):
            remove(aws, lambda _: None)
        assert find(aws) is not None
        aws.client("s3").delete_object(Bucket=bootstrap.bucket, Key=key)
        assert remove(aws, lambda _: None)
