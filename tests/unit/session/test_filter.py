"""The filter language: what terms mean, that SQL means the same, and that mistakes are told where they are."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetui.session.filter import FLAGS, Contains, FilterError, parse, quoted
from livetui.session.invocation import Row, Timing
from livetui.session.pattern import LONGEST, PatternError, compile_safely
from livetui.session.store import Store

ROW = Row(id=12, session="s", function="GetOrder", trigger="GET /orders/7", state="error", time=1.0, handler_ms=120.5,
          overhead_ms=4.0, event_bytes=2048, replay_of=3, error="KeyError: 'id'", note="look here", marked=True,
          request_id="c0ffee-1", trace_id="1-abc")


@pytest.mark.parametrize("text", [
    "", "   ", "order", "ORDERS/7", "/orders/7", "/ORDERS.\\d/", '"GET /orders"', "keyerror", "fn:Get*", "fn:getorder",
    "fn:Put*,Get*", "fn:/^get/", "state:error", "state:ok,error", "trigger:orders", 'trigger:"get /orders"', "ms:>100",
    "ms:>=120.5", "ms:<1s", "ms:120", "ms:100..200", "ms:0.1s..1s", "overhead:<=4", "bytes:>1kb", "bytes:2kb", "id:12",
    "#12", "id:1,12", "id:10..20", "is:marked", "is:replay", "is:failed", "is:noted", "is:marked,cold", "!state:ok",
    "!!state:error", "!cold:>1", "note:look", "error:/key.*id/", "request:C0FFEE", "trace:1-abc", "GET !POST ms:>100",
    "session:s", r"/orders\/7/",
])
def test_it_lets_the_row_through(text: str) -> None:
    assert parse(text).matches(ROW)


@pytest.mark.parametrize("text", [
    "POST", "fn:Put*", "fn:Order*", "state:ok", "ms:>120.5", "ms:<100", "cold:>1", "!is:replay", "is:running", "id:13",
    "order POST", "!order", "/^orders/", 'trigger:"orders GET"', "fn:orders", "!ms:>100", "#13",
])
def test_it_holds_the_row_back(text: str) -> None:
    assert not parse(text).matches(ROW)


@pytest.mark.parametrize(("text", "position", "says"), [
    ("state:okay", 6, "no state `okay`"),
    ("order state:ok,nope", 15, "no state `nope`"),
    ("foo:bar", 0, "no field `foo:`"),
    ("state:failed", 6, "`is:failed` asks for that"),
    ("-fn:Notify* trigger:sqs", 0, "!fn:"),
    ("state:error OR ms:>100", 12, "A comma stands for or"),
    ("state:error AND ms:>100", 12, "leave AND out"),
    ("NOT state:ok", 0, "!state:ok"),
    ("is:blue", 3, "is:"),
    ("ms:fast", 3, "no number"),
    ("ms:>", 3, "no number"),
    ("id:", 3, "no number"),
    ("a !", 2, "needs a term"),
    ("fn:", 0, "value is missing"),
    ('"open', 0, "quote has no end"),
    ('fn:"a"b', 3, "quote has no end"),
    ("a /(/", 3, "wrong"),
    ("//", 0, "empty"),
    ("/(a+)+$/", 1, "inside a repeat"),
    ("/a*a*a*a*b/", 1, "too long"),
    (r"/(a)\1/", 1, "References"),
])
def test_a_mistake_is_told_with_its_place(text: str, position: int, says: str) -> None:
    with pytest.raises(FilterError, match=says) as caught:
        parse(text)
    assert caught.value.position == position


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        parse(text).matches(ROW)
    except FilterError as error:
        assert 0 <= error.position <= len(text)


@given(st.text(max_size=30))
def test_quoted_text_means_itself(text: str) -> None:
    assert [term.text for term in parse(quoted(text)).terms] == [text]
    assert parse(f"fn:{quoted(text)}").terms == (Contains(("function",), text),)


def test_letters_beyond_ascii_ignore_case_when_asked_for() -> None:
    row = Row(id=1, session="", function="F", trigger="t", state="ok", time=0, note="Über die Brücke")
    assert parse("über").matches(row)
    assert not parse("uber").matches(row)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory):
    store = Store.open(tmp_path_factory.mktemp("filter") / "h.sqlite")
    texts = ["GetOrder", "put[1]*", "Über", "K\u212a", "a%_b", "x\\y", "İ", "", "GET /orders/7?a=b", "NUL\0", "é\ud800"]
    for number, text in enumerate(texts * 2):
        attempt = f"a{number}"
        row = store.arrived(attempt, text, texts[-number % 11], b"x" * number, {}, time=1.0, request_id=text,
                            replay_of=number or None if number % 3 else None)
        if number % 4:
            timing = Timing(handler_ms=number * 50.5 if number % 2 else None, init_ms=3.0 if number % 5 else None)
            store.finished(attempt, ("ok", "error", "timeout", "late")[number % 4], b"1", timing, error=text)
        store.changed(row.id, marked=number % 2 == 0, note=texts[number % 7])
    yield store
    store.close()


VALUES = st.sampled_from(["get", "ORDER", "[1]", "*", "?", "put[*", "k", "K", "ü", "Ü", "%", "_", "\\", "i", "é", "a%",
                          "nul\0"])
TERM = st.one_of(
    VALUES.map(quoted), VALUES.map(lambda value: f"fn:{value}"), VALUES.map(lambda value: f"trigger:{value}"),
    VALUES.map(lambda value: f"fn:{value},*order"), VALUES.map(lambda value: f"note:{quoted(value)}"),
    st.sampled_from(sorted(FLAGS)).map("is:{}".format), st.sampled_from(["state:ok", "state:late,error", "/get|put/"]),
    st.builds("{}:{}{}".format, st.sampled_from(["ms", "bytes", "id", "cold", "overhead"]),
              st.sampled_from(["", ">", "<", ">=", "<=", "="]), st.integers(0, 600)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds("{}{}".format, st.sampled_from(["", "", "!"]), TERM), max_size=3).map(" ".join))
def test_sql_says_the_same_as_python(filled: Store, text: str) -> None:
    wanted = parse(text)
    everything = filled.rows(limit=1000)
    assert filled.rows(wanted) == [row for row in everything if wanted.matches(row)]
    assert filled.numbers(text) == [row.id for row in everything if wanted.matches(row)]


def test_only_what_sql_cannot_say_is_left_to_python() -> None:
    assert parse("fn:Get* state:ok !ms:>5 text").sql() is not None
    assert parse("state:ok /re/").sql() is None
    assert parse("state:ok /re/").narrowing() == ("(state = ?)", ["ok"])


@pytest.mark.parametrize("pattern", [
    "a*a*a*b", ".*a.*a.*a", "(?:a?){1}a+a+a+b", "a+?a+?a+?$b", "(a|a)(a|a)(a|a)a*a*b", "(?=a*a*a*b)", "a{0,150}a*a*b",
    "(?:a|b|ab)(?:a|b|ab)a*a*$b",
])
def test_the_worst_patterns_on_the_worst_text_stay_within_seconds(pattern: str) -> None:
    try:
        search = compile_safely(pattern)
    except PatternError:
        return
    began = time.process_time()
    search("a" * LONGEST * 10)
    assert time.process_time() - began < 15


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|b|cd)*", "(?:a*)*b", "(a{1,5}){9}", "(x+x+)+y", "(?:(?:a)|bb)+",
                                     "a?" * 60 + "a" * 60, "(?P<x>a)(?P=x)", "(a)?(?(1)b|c)",
                                     "[" * 5, "*", "a{99999999999}"])
def test_patterns_that_could_run_away_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_safely(pattern)


@pytest.mark.parametrize(("pattern", "text"), [
    ("get|put", "PUT /x"), (r"^GET /orders/\d+$", "GET /orders/77"), ("err.*time.*out", "Error: timed out"),
    ("a{3}", "aaa"), ("(ab){2}", "abab"), ("[abc]+x?", "cab"), (r"\bid\b", "the id"), ("colou?r", "color"),
    ("(?!x)y", "y"), ("(GET|PUT) /", "PUT /"),
])
def test_everyday_patterns_work(pattern: str, text: str) -> None:
    assert compile_safely(pattern)(text)

