"""Everything that can be done with an invocation, by its key."""

from __future__ import annotations

import base64
import gzip
import json
import sys

import msgspec
import pytest
from console import console
from recorded import LIVE, NOON, RecordedSession, invocation, live_session
from textual.app import App

from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.session.events import CodeReloaded
from livetui.session.invocation import AwsCall, LogLine
from livetui.tui.screens.records import EXPORTS


async def test_a_filter_narrows_the_list_while_it_is_typed_and_says_what_is_wrong():
    async with console() as shown:
        await shown.press("slash")
        await shown.type("fn:Get*")
        assert [shown.main.table.rows.at(at).function for at in range(len(shown.main.table.rows))] == ["GetOrder"] * 3
        await shown.sees("3 of 8")
        await shown.type(" ms:>x")
        await shown.sees("✗")
        await shown.press("escape")
        assert len(shown.main.table.rows) == 8
        assert shown.app.focused is shown.main.table


async def test_new_rows_obey_the_filter():
    async with console() as shown:
        await shown.press("slash")
        await shown.type("state:error")
        shown.session.arrive(invocation(17, "GetOrder", "GET /orders/5", "queued"))
        await shown.settle()
        assert len(shown.main.table.rows) == 1
        shown.session.finish(invocation(17, "GetOrder", "GET /orders/5", "error"))
        await shown.settle()
        assert len(shown.main.table.rows) == 2


async def test_columns_are_sorted_by_key_and_by_click_and_back():
    async with console() as shown:
        await shown.press("s")
        assert shown.main.table.rows.sort == "function"
        assert shown.main.table.rows.at(0).function == "CreateOrder"
        await shown.sees("function↑")
        await shown.press("S")
        await shown.sees("function↓")
        assert shown.main.table.rows.at(0).function == "Worker"
        await shown.pilot.click("ListHead", offset=(3, 0))
        assert shown.main.table.rows.sort == "#"


async def test_m_marks_and_ctrl_r_replays_all_marked_rows():
    async with console() as shown:
        for id in (10, 12):
            await shown.opened(id)
            await shown.press("m")
        assert ("mark", 10, True) in shown.session.asked
        assert shown.main.table.rows.get(12).marked
        await shown.press("ctrl+r")
        assert [asked for asked in shown.session.asked if asked[0] == "replay"] == [
            ("replay", 10, None, 1),
            ("replay", 12, None, 1),
        ]


async def test_a_row_shows_its_pin_its_mark_and_its_note_together():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("a")
        await shown.type("Größe ☃ 한글 [b]")
        await shown.press("enter", "m", "p")
        await shown.sees("✎ Größe ☃ 한글 [b]")
        line = next(line for line in shown.screen_text("#invocations-pane").splitlines() if "●" in line)
        assert line.strip("│ ").split()[:6] == ["●", "12", "14:03:12", "GetOrder", "◆✎", "GET"]
        await shown.opened(11)
        await shown.lacks("✎ Größe")


async def test_a_writes_a_note():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("a")
        await shown.type("look here")
        await shown.press("enter")
        assert ("note", 12, "look here") in shown.session.asked


async def test_replay_n_times_takes_only_numbers():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("R", "backspace", "backspace", "0", "enter")
        assert not [asked for asked in shown.session.asked if asked[0] == "replay"]
        await shown.press("backspace", "3", "enter")
        assert ("replay", 12, None, 3) in shown.session.asked


async def test_a_pinned_invocation_runs_again_when_its_function_is_saved():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("p")
        shown.session.tell(CodeReloaded("GetOrder", 12.0))
        await shown.settle()
        assert ("replay", 12, None, 1) in shown.session.asked
        await shown.until(lambda: shown.main.table.rows.at(len(shown.main.table.rows) - 1).id == 17, "its row")
        assert shown.main.table.current.id == 12


async def test_what_the_session_refuses_is_told_with_its_hint():
    async with console() as shown:
        shown.session.refuse = LivetuiError("The stack is not live.", "It is still deploying.", "Wait a moment.")
        await shown.press("r")
        await shown.sees("Wait a moment.")


@pytest.mark.parametrize("kind", range(len(EXPORTS)), ids=[each.id for each in EXPORTS])
async def test_export_asks_as_what_and_where_to(kind, tmp_path):
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", project=str(tmp_path))
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("x", *["down"] * kind, "enter")
        await shown.until(lambda: bool(shown.app.screen.query("#answer")), "the question for a name")
        shown.app.screen.query_one("#answer").value = "out.txt"
        await shown.press("enter")
    text = (tmp_path / "out.txt").read_text()
    assert "orders/99" in text
    assert "secret" not in text


async def test_secrets_are_masked_until_u():
    async with console() as shown:
        await shown.opened(12)
        assert "secret.token" not in shown.pane_text()
        await shown.press("u")
        assert "secret.token" in shown.pane_text()
        await shown.press("u")
        assert "secret.token" not in shown.pane_text()


async def test_search_in_a_pane_moves_from_hit_to_hit():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("enter", "slash")
        await shown.type("orders")
        await shown.sees("3 lines found")
        await shown.press("enter", "n")
        assert '"rawPath"' in shown.main.details.pane.document.text(shown.main.details.pane.current)
        await shown.press("N")
        assert '"routeKey"' in shown.main.details.pane.document.text(shown.main.details.pane.current)
        await shown.press("escape")
        assert shown.main.details.pane.hits == 0


async def test_objects_fold_and_unfold():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("enter", "j", "j", "j", "j", "enter")
        await shown.sees('"headers": { 4 keys },')
        await shown.press("enter")
        await shown.sees('"accept"')


async def test_bodies_are_opened_below_the_event():
    body = base64.b64encode(gzip.compress(b'{"order": {"id": 7}}')).decode()
    event = json.dumps(
        {
            "version": "2.0",
            "headers": {"content-type": "application/json", "content-encoding": "gzip"},
            "body": body,
            "isBase64Encoded": True,
            "rawPath": "/",
        }
    ).encode()
    async with console(live_session([invocation(1, "GetOrder", "POST /", event=event)])) as shown:
        await shown.opened(1)
        assert "base64 → gzip → json" in shown.pane_text()
        assert '"id": 7' in shown.pane_text()


async def test_a_replay_is_compared_with_its_origin():
    origin = invocation(1, "GetOrder", "GET /", response=b'{"statusCode": 404, "body": "none"}')
    replay = invocation(2, "GetOrder", "GET /", replay_of=1, response=b'{"statusCode": 200, "body": "none"}')
    async with console(live_session([origin, replay])) as shown:
        await shown.opened(2)
        await shown.press("7")
        text = shown.pane_text()
    assert "~ statusCode" in text
    assert "- 404" in text
    assert "+ 200" in text
    assert "body" not in text


async def test_frames_of_an_error_show_the_source_here_and_open_in_the_editor(tmp_path, monkeypatch):
    source = tmp_path / "src" / "orders.py"
    source.parent.mkdir()
    source.write_text("\n".join(f"line_{number} = {number}" for number in range(1, 40)))
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib; pathlib.Path(sys.argv[0]).with_name('opened').write_text(' '.join(sys.argv[1:]))"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    session = live_session()
    live = session.status().live
    function = type(live.functions["GetOrder"])
    session.tell(
        type(live)(
            **{name: getattr(live, name) for name in live.__struct_fields__ if name != "functions"},
            functions={
                "GetOrder": function("orders-dev-GetOrder", "src/orders.handler", True, code_root=str(tmp_path))
            },
        )
    )
    opened: list[list[str]] = []
    monkeypatch.setattr("livetui.tui.screens.records.run_outside", lambda app, command: opened.append(command))
    async with console(session) as shown:
        await shown.opened(12)
        await shown.press("4", "enter")
        text = shown.pane_text()
        assert "▶   12 line_12 = 12" in text
        pane = shown.main.details.pane
        pane.move_to(next(at for at in range(len(pane)) if "▶   12" in pane.document.text(at)))
        await shown.press("enter")
        await shown.settle()
    assert opened == [[sys.executable, str(script), "+12", str(source)]]


async def test_access_denied_becomes_a_policy_statement():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("8")
        text = shown.pane_text()
        await shown.press("enter")
        await shown.until(lambda: bool(shown.main.details.pane.has_focus), "the calls")
        pane = shown.main.details.pane
        pane.show_line(text.split("\n").index("{"))
        await shown.press("y")
        statement = json.loads(shown.app.clipboard)
    assert statement["Action"] == "s3:PutObject"
    assert '"Action": "s3:PutObject"' in text
    assert '"Resource": "arn:aws:s3:::photos/cat.jpg"' in text


def sending(service: str, id: str) -> AwsCall:
    return AwsCall(service, "Send", "orders", 200, 2.0, sent=[id])


async def test_y_copies_the_value_of_an_output_and_the_name_of_a_function():
    async with console() as shown:
        await shown.press("f4")
        await shown.sees("OrdersApi")
        pane = shown.main.focused
        for line, words in (("OrdersApi", "https://ab12cd34.execute-api.eu-west-1.amazonaws.com"),
                            ("GetOrder", "orders-dev-GetOrder")):
            texts = map(pane.document.text, range(len(pane.document)))
            pane.show_line(next(at for at, each in enumerate(texts) if each.startswith(f"  {line}")))
            await shown.press("y")
            assert shown.app.clipboard == words


async def test_invocations_of_one_trace_are_shown_as_a_tree():
    session = live_session(
        [
            invocation(1, "CreateOrder", "POST /orders", trace_id="1-a", calls=[sending("sqs", "m-1")]),
            invocation(
                2,
                "Worker",
                "sqs orders ×1",
                trace_id="1-a",
                event=b'{"Records":[{"messageId":"m-1"}]}',
                calls=[sending("events", "e-1")],
            ),
            invocation(3, "Other", "schedule", trace_id="1-b"),
            invocation(
                4, "Notify", "event shop", trace_id="1-a", event=b'{"id":"e-1","detail-type":"Shipped","detail":{}}'
            ),
        ]
    )
    async with console(session) as shown:
        await shown.opened(2)
        await shown.press("t")
        await shown.until(lambda: bool(shown.app.screen.query("#choices")), "the tree")
        await shown.sees("#1 CreateOrder", "└─ #2 Worker", "   └─ #4 Notify")
        await shown.lacks("#3")
        await shown.press("enter")
        assert shown.main.table.current.id == 1


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("f3", "src/orders.handler"),
        ("f4", "https://ab12cd34"),
        ("f6", "hello from Worker"),
        ("f9", "round trip"),
        ("f12", "Breakpoints"),
    ],
)
async def test_views_open_by_key_and_close_by_escape(key, words):
    async with console(size=(160, 45)) as shown:
        shown.session.write(11, "hello from Worker")
        await shown.press(key)
        await shown.sees(words)
        await shown.press("escape")
        assert shown.main.views.current == "invocations"


async def test_the_stack_names_what_is_deployed_though_this_session_deployed_nothing():
    session = RecordedSession()
    session.tell(msgspec.structs.replace(LIVE, changed=False))
    async with console(session, size=(160, 45)) as shown:
        await shown.press("f4")
        await shown.sees("OrdersTable", "DynamoDB::Table", "orders-dev-OrdersTable", "EventSourceMapping")


async def test_logs_of_all_functions_are_filtered_by_words():
    async with console() as shown:
        await shown.press("f6")
        shown.session.write(11, "alpha")
        shown.session.write(12, "beta")
        await shown.settle()
        await shown.press("slash")
        await shown.type("bet")
        await shown.sees("beta", "1 of 2 lines")
        await shown.lacks("alpha")


async def test_help_explains_the_focused_pane():
    async with console() as shown:
        await shown.press("question_mark")
        await shown.sees("Every call of a live function is a row")
        await shown.press("escape", "enter", "question_mark")
        await shown.sees("What came in, what went out")


async def test_the_palette_finds_an_action_by_its_name():
    async with console() as shown:
        await shown.press("ctrl+p")
        await shown.type("replay n")
        await shown.sees("Replay N times")


async def test_the_chosen_theme_is_there_from_the_first_and_styles_are_read_once(monkeypatch):
    read_again = []
    monkeypatch.setattr(App, "refresh_css", lambda app, animate=True: read_again.append(app.theme))
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", theme="nord")
    async with console(session) as shown:
        await shown.settle()
        assert (shown.app.theme, read_again) == ("nord", [])


@pytest.mark.parametrize("theme", ["textual-light", "ansi-dark", "ansi-light", "catppuccin-latte"])
async def test_themes_draw_every_view(theme):
    session = live_session()
    session.settings = Settings(app="orders", stage="dev", theme=theme)
    async with console(session) as shown:
        await shown.opened(12)
        assert shown.app.theme == theme
        behind = set()
        for key in ("1", "4", "f3", "f9", "escape", "question_mark"):
            await shown.press(key)
            await shown.drawn()
            drawn = [each for each in shown.drawn_parts() if each.text.strip()]
            styles = [each.style for each in drawn if each.style and each.style.color and not each.style.color.is_default]
            assert not [each for each in styles if each.color == each.bgcolor], "no word has the colour behind it"
            behind |= {each.bgcolor.name for each in styles if each.bgcolor}
        assert ("default" if theme.startswith("ansi") else shown.app.theme_variables["background"].lower()) in behind
        await shown.sees("Invocations")


async def test_without_colour_the_state_is_still_said(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with console() as shown:
        await shown.opened(12)
        await shown.sees("✗ error", "▌")
        await shown.drawn()
        drawn = [segment.style for segment in shown.drawn_parts()]
        colours = {each.color.triplet for each in drawn if each is not None and each.color is not None}
        assert all(len(set(triplet)) == 1 for triplet in colours), "shades of grey alone"


async def test_a_narrow_screen_keeps_number_function_state_and_ms():
    async with console(size=(40, 20)) as shown:
        names = [column.name for column in shown.main.table.columns]
    assert names == ["#", "function", "state", "ms"]


async def test_plus_gives_a_pane_the_whole_screen_and_back():
    async with console() as shown:
        await shown.press("plus")
        await shown.sees("trigger")
        await shown.lacks("Response")
        await shown.press("escape")
        await shown.sees("Response")


async def test_a_store_that_lost_a_row_says_so():
    session = live_session()
    async with console(session) as shown:
        await shown.opened(12)
        del session.invocations[13]
        shown.main.table.select(13)
        await shown.sees("not held any more")


async def test_first_rows_come_from_the_store_and_dropped_ones_are_counted():
    session = live_session()
    session.dropped = 41
    async with console(session) as shown:
        await shown.sees("8 of 8 · 41 dropped")


async def test_before_anything_happened_nothing_breaks():
    async with console(RecordedSession()) as shown:
        for key in (
            "r",
            "e",
            "x",
            "y",
            "m",
            "a",
            "p",
            "t",
            "u",
            "i",
            "b",
            "s",
            "1",
            "8",
            "enter",
            "escape",
            "f3",
            "escape",
            "j",
            "G",
            "k",
        ):
            await shown.press(key)
        await shown.sees("No invocation is chosen.")


async def test_logs_show_no_escape_sequences():
    session = live_session(
        [invocation(1, "GetOrder", "GET /", time=NOON, logs=[LogLine("stdout", "\x1b[31mred\x1b[0m", 1.0)])]
    )
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("3")
        assert shown.pane_text().endswith(" red")


async def test_long_log_lines_wrap_and_w_lets_them_run_on():
    words = " ".join(f"word{number}" for number in range(40))
    session = live_session([invocation(1, "GetOrder", "GET /", time=NOON, logs=[LogLine("stdout", words, 1.0)])])
    async with console(session) as shown:
        await shown.opened(1)
        await shown.press("3")
        await shown.sees("word39")
        await shown.press("enter", "w")
        await shown.lacks("word39")


async def test_the_cursor_stays_on_a_replay_while_other_calls_come_in():
    async with console() as shown:
        await shown.opened(12)
        await shown.press("r")
        await shown.until(lambda: shown.main.table.current.id == 17, "the replay's row")
        shown.session.arrive(invocation(18, "GetOrder", "GET /orders/1", "queued"))
        await shown.settle()
        assert shown.main.table.current.id == 17
