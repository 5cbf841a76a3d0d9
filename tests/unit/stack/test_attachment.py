"""What an attached function is without what livetui put into it, and whether its calls still come here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from livetui.errors import LivetuiError
from livetui.stack.attach import _folders_with
from livetui.stack.attachment import HANDLER, Attachment, is_touched, missing_of, own_variables, snapshot
from livetui.stack.live import HANDLER as DEPLOYED_HANDLER
from livetui.stack.targets import Target, held_by
from stub_runtime.config import VARIABLE

LAYER = "arn:aws:lambda:eu-west-1:1:layer:livetui-attached-shop-dev:1"
HELD = Attachment("orders", "arn:orders", "shop", "dev", 5.0, "app.handler", (), 7, 192, live_timeouts_s=(900,),
                  live_memories_mb=(512,), role="r", made_layers=(LAYER,))


def configuration(**changed: Any) -> dict[str, Any]:
    return {"FunctionName": "orders", "FunctionArn": "arn:orders", "Handler": HANDLER, "Timeout": 900,
            "MemorySize": 512, "Layers": [{"Arn": LAYER}], "Environment": {"Variables": {"A": "1", VARIABLE: "{}"}},
            **changed}


def test_an_attached_function_is_what_was_noted() -> None:
    now = configuration()
    plain = snapshot(now, "shop", "dev", HELD)
    assert (plain.handler, plain.timeout_s, plain.memory_mb, plain.layers) == ("app.handler", 7, 192, ())
    assert own_variables(now) == {"A": "1"}
    assert missing_of(now) == ""


def test_a_deployment_of_the_handler_alone_does_not_make_our_timeout_the_functions() -> None:
    plain = snapshot(configuration(Handler="newer.handler"), "shop", "dev", HELD)
    assert (plain.handler, plain.timeout_s, plain.memory_mb) == ("newer.handler", 7, 192)


def test_a_deployment_of_everything_counts_as_it_is() -> None:
    now = configuration(Handler="newer.handler", Timeout=900, Layers=[], Environment={"Variables": {}})
    assert not is_touched(now)
    assert snapshot(now, "shop", "dev", HELD).timeout_s == 900


def test_an_attach_that_broke_off_leaves_two_timeouts_that_are_ours() -> None:
    held = replace(HELD, live_timeouts_s=(900, 60))
    assert {snapshot(configuration(Timeout=seconds), "shop", "dev", held).timeout_s for seconds in (900, 60)} == {7}


@pytest.mark.parametrize(("changed", "what"), [
    ({"Environment": {"Variables": {"A": "1"}}}, VARIABLE), ({"Layers": []}, "layer"), ({"Handler": "x.y"}, "x.y")])
def test_a_stub_that_is_half_overwritten_is_not_armed(changed: dict[str, Any], what: str) -> None:
    now = configuration(**changed)
    assert what in missing_of(now)
    assert is_touched(now), "restore has something to take away"


def test_a_handler_that_nothing_tells_is_said() -> None:
    with pytest.raises(LivetuiError, match="what the handler of orders was"):
        snapshot(configuration(Environment={}), "shop", "dev")


def test_a_variable_of_ours_without_a_note_is_a_live_copys() -> None:
    deployed = Target("orders", configuration(Handler=DEPLOYED_HANDLER), True)
    assert "live copy" in next(held_by(deployed, None, "shop", "dev"))
    attached = Target("orders", configuration(), True)
    assert list(held_by(attached, None, "shop", "dev")) == []
    assert list(held_by(attached, HELD, "shop", "dev")) == []
    assert "shop/dev is attached" in next(held_by(attached, HELD, "other", "dev"))


@pytest.mark.parametrize("handler", ["", "handler", ".handler"])
def test_a_handler_without_a_module_is_in_no_folder(tmp_path: Path, handler: str) -> None:
    assert _folders_with(tmp_path, handler) == []
