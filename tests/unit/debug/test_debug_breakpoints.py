"""The union of owners' breakpoints, and how it follows edits and sessions."""

from pathlib import Path

import pytest

from livetui.debug.breakpoints import CONSOLE, BreakpointStore, Wish, merge, real
from livetui.debug.conditions import failure
from livetui.errors import UsageError

CODE = """import os


def total(rows):
    s = 0

    # add them up
    for row in rows:
        s += row["amount"]
    return s
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(real(tmp_path))


@pytest.fixture
def source(project: Path) -> str:
    (project / "app.py").write_text(CODE)
    return str(project / "app.py")


def store(project: Path) -> BreakpointStore:
    it = BreakpointStore(project / ".livetui" / "breakpoints.json", project)
    assert it.load() == ""
    return it


def test_a_replace_by_one_owner_leaves_the_others(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(5))
    it.replace("vscode-1", source, [Wish(5), Wish(9)])
    it.replace("vscode-1", source, [])
    assert [(item.line, item.owners) for item in it.of(source)] == [(5, (CONSOLE,))]


def test_ids_stay_while_anyone_wants_the_line(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(5))
    first = it.of(source)[0].id
    it.replace("vscode-1", source, [Wish(5)])
    it.replace(CONSOLE, source, [])
    assert [item.id for item in it.of(source)] == [first]
    it.drop("vscode-1")
    assert it.everything() == []


def test_blank_lines_and_comments_stop_above(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(7))
    assert [(item.asked, item.line, item.verified) for item in it.of(source)] == [(7, 5, True)]


def test_lines_that_stop_at_one_place_are_one_for_pydevd(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(5, condition="s > 1"))
    it.replace("vscode-1", source, [Wish(7, condition="rows")])
    assert it.pushable(source) == [(Wish(5, "(s > 1) or (rows)"), (1, 2))]


def test_a_file_that_is_not_there_is_not_verified(project: Path) -> None:
    it = store(project)
    it.put(CONSOLE, str(project / "gone.py"), Wish(3))
    assert [(item.verified, item.message) for item in it.everything()] == [(False, "There is no such file.")]


@pytest.mark.parametrize(("wishes", "expected"), [
    ([Wish(1, "a"), Wish(1)], Wish(1)),
    ([Wish(1, "a"), Wish(1, "b")], Wish(1, "(a) or (b)")),
    ([Wish(1, "a"), Wish(1, "a")], Wish(1, "a")),
    ([Wish(1, "a  # b"), Wish(1, "b")], Wish(1, "(a  # b\n) or (b)")),
    ([Wish(1, "a"), Wish(1, hit="5")], Wish(1, "a")),
    ([Wish(1, log="x"), Wish(1, "a")], Wish(1, "a")),
    ([Wish(1, log="x"), Wish(1, log="{y}")], Wish(1, log="x | {y}")),
    ([Wish(1, "a", "%2")], Wish(1, "a", "%2")),
])
def test_who_stops_more_often_wins(wishes: list[Wish], expected: Wish) -> None:
    assert merge(wishes) == expected
    if not any(wish.log for wish in wishes) and not expected.condition.startswith("("):
        assert merge(wishes[::-1]) == expected


def test_a_cursor_stops_always_and_stands_for_no_line_of_its_own(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(9, condition="s > 1"))
    assert it.pushable(source, 9) == [(Wish(9), (1,))]
    assert it.pushable(source, 7) == [(Wish(5), ()), (Wish(9, "s > 1"), (1,))]


def test_what_is_disabled_is_not_pushed_whoever_owns_it(project: Path, source: str) -> None:
    it = store(project)
    it.replace("vscode-1", source, [Wish(5)])
    it.enable(source, 5, False)
    assert it.pushable(source) == []
    assert [item.enabled for item in it.of(source)] == [False]


def test_the_consoles_persist_and_editors_do_not(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(5, condition="s"))
    it.put(CONSOLE, source, Wish(9, log="s is {s}"))
    it.enable(source, 9, False)
    it.replace("vscode-1", source, [Wish(10)])
    assert [(item.line, item.condition, item.log, item.enabled) for item in store(project).everything()] == [
        (5, "s", "", True), (9, "", "s is {s}", False)]


def test_a_broken_file_is_told_and_not_fatal(project: Path) -> None:
    file = project / ".livetui" / "breakpoints.json"
    file.parent.mkdir()
    file.write_text("{")
    assert "breakpoints are lost" in BreakpointStore(file, project).load()


@pytest.mark.parametrize(("change", "expected"), [
    (lambda text: "# new\n\n" + text, 11),
    (lambda text: text.replace("import os\n", ""), 8),
    (lambda text: text.replace('s += row["amount"]', 's += row["price"]'), 9),
    (lambda text: text.replace("    # add them up\n", "").replace("s += row", "s += row"), 8),
    (lambda text: text + '\n\ndef other(row):\n    s = 1\n    s += row["amount"]\n    return 1\n', 9),
], ids=["lines above", "less above", "the line itself", "comment gone", "a twin below"])
def test_breakpoints_move_with_their_text(project: Path, source: str, change: object, expected: int) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(9, condition="s"))
    id_ = it.of(source)[0].id
    assert it.moved() == set()
    Path(source).write_text(change(CODE))  # type: ignore[operator]
    assert it.moved() == {source}
    assert [(item.asked, item.condition, item.id) for item in it.of(source)] == [(expected, "s", id_)]
    assert it.moved() == set()


def test_another_breakpoint_set_after_an_edit_does_not_pin_the_first_to_its_old_line(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(9))
    Path(source).write_text("# new\n\n" + CODE)
    it.put(CONSOLE, source, Wish(7))
    it.enable(source, 7, False)
    assert [item.asked for item in it.of(source)] == [7, 11]
    Path(source).write_text("# new\n" + CODE)
    assert it.moved() == {source}
    assert [(item.asked, item.enabled) for item in it.of(source)] == [(6, False), (10, True)]


@pytest.mark.parametrize("half", [None, "", "import os\n\n"], ids=["away", "empty", "half written"])
def test_a_file_that_is_just_being_written_loses_no_breakpoint(project: Path, source: str, half: str | None) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(9))
    Path(source).unlink() if half is None else Path(source).write_text(half)
    it.moved()
    it.enable(source, it.of(source)[0].asked, True)
    Path(source).write_text("# new\n" + CODE)
    assert it.moved() == {source}
    assert [item.asked for item in it.of(source)] == [10]


TWINS = """def first(row):
    row = row + 1
    return row


def second(row):
    row = row + 1
    return row
"""


@pytest.mark.parametrize(("text", "expected"), [
    (TWINS[:30], [2, 7]),
    ("# new\n" * 5 + TWINS, [7, 12]),
    ("# new\n" * 9 + TWINS, [11, 16]),
], ids=["half written", "above", "far above"])
def test_no_two_breakpoints_land_on_one_line(project: Path, source: str, text: str, expected: list[int]) -> None:
    Path(source).write_text(TWINS)
    it = store(project)
    it.put(CONSOLE, source, Wish(2, "a"))
    it.put(CONSOLE, source, Wish(7, "b"))
    Path(source).write_text(text)
    assert [(item.asked, item.condition) for item in store(project).everything()] == list(
        zip(expected, "ab", strict=True))
    it.moved()
    assert [(item.asked, item.condition, item.id) for item in it.everything()] == list(
        zip(expected, "ab", (1, 2), strict=True))
    Path(source).write_text("# whole again\n" + TWINS)
    it.moved()
    assert [(item.asked, item.condition) for item in it.everything()] == [(3, "a"), (8, "b")]


def test_a_breakpoint_whose_text_is_gone_makes_room_for_one_that_moved_there(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(5, "gone"))
    it.put(CONSOLE, source, Wish(9, "moved"))
    Path(source).write_text("x\n\n\n\n" + 's += row["amount"]\n')
    it.moved()
    assert [(item.asked, item.condition) for item in it.everything()] == [(5, "moved"), (6, "gone")]


def test_an_edit_leaves_an_editor_the_id_of_its_breakpoint(project: Path, source: str) -> None:
    it = store(project)
    it.put(CONSOLE, source, Wish(8))
    it.replace("vscode-1", source, [Wish(9)])
    editors = it.of(source)[1].id
    Path(source).write_text("\n" + CODE)
    it.moved()
    assert [(item.asked, item.id) for item in it.of(source)] == [(9, editors)]


def test_breakpoints_follow_edits_made_between_sessions(project: Path, source: str) -> None:
    store(project).put(CONSOLE, source, Wish(9))
    Path(source).write_text("'''doc'''\n" + CODE)
    assert [item.asked for item in store(project).everything()] == [10]


def test_an_editors_breakpoints_stay_for_the_editor_to_move(project: Path, source: str) -> None:
    it = store(project)
    it.replace("vscode-1", source, [Wish(9)])
    it.confirm(it.of(source)[0].id, 8, True, "")
    Path(source).write_text("\n" + CODE)
    assert it.moved() == {source}
    assert [(item.asked, item.line, item.owners) for item in it.of(source)] == [(9, 9, ("vscode-1",))]


def test_a_file_that_cannot_be_written_is_told_and_the_breakpoint_holds(project: Path, source: str) -> None:
    it, told = store(project), list[str]()
    it.on_trouble = told.append
    (project / ".livetui").write_text("in the way")
    it.put(CONSOLE, source, Wish(5))
    assert len(it.of(source)) == 1
    assert "could not be kept" in told[0]


@pytest.mark.parametrize(("wish", "said"), [
    (Wish(1, condition="x = 1"), "Use == to compare"),
    (Wish(1, condition="x >"), "does not compile"),
    (Wish(1, hit="five"), "no hit condition"),
    (Wish(1, hit="> 5; import os"), "no hit condition"),
    (Wish(1, log="total {"), "do not pair up"),
    (Wish(1, log="total {x +}"), "does not compile"),
    (Wish(1, log="}{"), "do not pair up"),
    (Wish(0), "no line 0"),
])
def test_what_would_never_work_is_refused(project: Path, source: str, wish: Wish, said: str) -> None:
    it = store(project)
    with pytest.raises(UsageError) as refused:
        it.put(CONSOLE, source, wish)
    assert said in str(refused.value)
    assert it.everything() == []


@pytest.mark.parametrize("wish", [Wish(1, "x == 1 and y"), Wish(1, hit="5"), Wish(1, hit=">= 3"), Wish(1, hit="%10"),
                                  Wish(1, log="plain"), Wish(1, log='{rows[0]["a"]} and { {"a": 1}["a"] }')])
def test_what_works_is_accepted(wish: Wish) -> None:
    wish.check()


@pytest.mark.parametrize(("raised", "words"), [
    ("KeyError: 'a'\n", "KeyError: 'a'"),
    ("KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\n"
     'Traceback (most recent call last):\n  File "app.py", line 1, in big\n    f()\n    ~^^\nshop.Odd: two\nlines\n',
     "shop.Odd: two\nlines"),
])
def test_a_condition_that_raised_is_told_from_what_else_pydevd_says(raised: str, words: str) -> None:
    said = ("pydevd: Error while evaluating expression in conditional breakpoint: big(s)\n"
            'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n')
    assert failure(said + raised) == ("big(s)", f"condition failed: {words}")
    assert failure("pydevd: something else\n") is None
