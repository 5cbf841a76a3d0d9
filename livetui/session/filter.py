"""The filter language of the table: `fn:Get* state:error ms:>100 !is:replay "free text" /regex/`.

Terms are separated by spaces and all must hold; `!` before a term turns it round. Letters A–Z are compared without
case. What a term means is one small frozen class, which knows how to test a row and how to say the same in SQL.
"""

from __future__ import annotations

import fnmatch
import functools
import operator
import re
from collections.abc import Callable
from typing import Any, Protocol, get_args

import msgspec

from livetui.errors import UsageError
from livetui.session.invocation import FAILED, Row, State
from livetui.session.pattern import PatternError, compile_safely

Sql = tuple[str, list[str | float]]

FREE_TEXT = ("function", "trigger", "error", "note", "request_id")
"""The columns that free text and a bare `/regex/` look at."""
TEXTS = {"fn": "function", "function": "function", "trigger": "trigger", "error": "error", "note": "note",
         "request": "request_id", "trace": "trace_id", "session": "session"}
NUMBERS = {"ms": "handler_ms", "overhead": "overhead_ms", "cold": "cold_ms", "bytes": "event_bytes", "id": "id",
           "status": "status"}
_UNITS = {"": 1.0, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "b": 1.0, "kb": 1024.0, "mb": 1024.0**2}
_BETWEEN = "\x1f"
STATES: tuple[str, ...] = get_args(State)
FLAGS: dict[str, tuple[Callable[[Row], bool], str]] = {
    "marked": (lambda row: row.marked, "marked = 1"),
    "replay": (lambda row: row.replay_of is not None, "replay_of IS NOT NULL"),
    "noted": (lambda row: row.note != "", "note <> ''"),
    "cold": (lambda row: row.cold_ms is not None, "cold_ms IS NOT NULL"),
    "failed": (lambda row: row.failed,
               f"state IN {FAILED} OR ifnull(status, 0) >= 500 OR failed_items > 0"),
    "running": (lambda row: row.state in ("queued", "running", "paused"), "state IN ('queued', 'running', 'paused')"),
}
"""What `is:` can ask: a test of a row, and the same in SQL. Add one here and it is there."""
FIELDS = (*(key for key in TEXTS if key != "function"), "state", *NUMBERS, "is")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


_OF_OTHER_LANGUAGES = {
    "AND": 'All terms must hold: leave AND out, or look for the word: "AND".',
    "OR": 'A comma stands for or, as in fn:GetOrder,PayOrder. To look for the word: "OR".',
    "NOT": 'What must not hold begins with `!`: !state:ok. To look for the word: "NOT".',
}


class FilterError(UsageError):
    """The filter is not understood. `message` says why, `position` is the character it starts at, from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__("The filter is not understood.", message, "Fields: " + " ".join(f"{key}:" for key in FIELDS))
        self.message = message
        self.position = position


class Term(Protocol):
    """One condition."""

    def matches(self, row: Row) -> bool:
        """Whether it holds for the row."""

    def sql(self) -> Sql | None:
        """The same for SQLite, or None when SQLite cannot say it."""


class Contains(msgspec.Struct, frozen=True, dict=True):
    """Any of the columns contains the text."""

    columns: tuple[str, ...]
    text: str

    def matches(self, row: Row) -> bool:
        """Look for the text without case (of A–Z only when it is plain ASCII, as SQLite does)."""
        return self._test(row)

    @functools.cached_property
    def _test(self) -> Callable[[Row], bool]:
        """Made once, since it runs for every row held: columns are joined by a character that the text has not."""
        needle, fold = _folded(self.text)
        read: Callable[[Row], Any] = operator.attrgetter(*self.columns)
        if len(self.columns) == 1:
            return lambda row: needle in fold(read(row))
        if _BETWEEN in needle:
            return lambda row: any(needle in fold(text) for text in read(row))
        return lambda row: needle in fold(_BETWEEN.join(read(row)))

    def sql(self) -> Sql | None:
        """LIKE, three times as fast as `instr(lower(…))`."""
        if not _sayable(self.text):
            return None
        pattern = re.sub(r"([\\%_])", r"\\\1", self.text)
        return (" OR ".join(rf"{column} LIKE ? ESCAPE '\'" for column in self.columns),
                [f"%{pattern}%"] * len(self.columns))


class Glob(msgspec.Struct, frozen=True):
    """The whole column looks like the pattern, in which `*` is any text and `?` any character."""

    column: str
    pattern: str

    def matches(self, row: Row) -> bool:
        """Compare without case."""
        pattern, fold = _folded(self.pattern)
        return fnmatch.fnmatchcase(fold(getattr(row, self.column)), pattern.replace("[", "[[]"))

    def sql(self) -> Sql | None:
        """SQLite's GLOB, with brackets taken literally."""
        if not _sayable(self.pattern):
            return None
        return f"lower({self.column}) GLOB ?", [self.pattern.lower().replace("[", "[[]")]


class Regex(msgspec.Struct, frozen=True, dict=True):
    """Any of the columns has a match of the regular expression; SQLite has none of its own."""

    columns: tuple[str, ...]
    pattern: str

    def matches(self, row: Row) -> bool:
        """Search each column."""
        return any(self._search(getattr(row, column)) for column in self.columns)

    @functools.cached_property
    def _search(self) -> Callable[[str], bool]:
        return compile_safely(self.pattern)

    def sql(self) -> Sql | None:
        """Not sayable."""
        return None


class Between(msgspec.Struct, frozen=True):
    """A number of the row lies in a range; a number that is not known lies in none."""

    column: str
    low: float | None = None
    low_op: str = ">="
    high: float | None = None
    high_op: str = "<="

    def matches(self, row: Row) -> bool:
        """Compare."""
        value: float | None = getattr(row, self.column)
        return (value is not None and (self.low is None or _COMPARE[self.low_op](value, self.low))
                and (self.high is None or _COMPARE[self.high_op](value, self.high)))

    def sql(self) -> Sql | None:
        """Compare, with unknown numbers excluded so that a negation includes them."""
        clauses, values = [f"{self.column} IS NOT NULL"], list[str | float]()
        for op, bound in ((self.low_op, self.low), (self.high_op, self.high)):
            if bound is not None:
                clauses.append(f"{self.column} {op} ?")
                values.append(bound)
        return " AND ".join(clauses), values


class InState(msgspec.Struct, frozen=True):
    """The state is the one named."""

    state: str

    def matches(self, row: Row) -> bool:
        """Compare."""
        return row.state == self.state

    def sql(self) -> Sql | None:
        """Compare."""
        return "state = ?", [self.state]


class Is(msgspec.Struct, frozen=True):
    """One of `FLAGS`."""

    flag: str

    def matches(self, row: Row) -> bool:
        """Ask the flag's test."""
        return FLAGS[self.flag][0](row)

    def sql(self) -> Sql | None:
        """The flag's SQL."""
        return FLAGS[self.flag][1], []


class AnyOf(msgspec.Struct, frozen=True):
    """At least one of the terms holds: what commas in a value mean."""

    terms: tuple[Term, ...]

    def matches(self, row: Row) -> bool:
        """Ask one after the other."""
        return any(term.matches(row) for term in self.terms)

    def sql(self) -> Sql | None:
        """OR, when each can be said."""
        return _joined(self.terms, " OR ")


class Not(msgspec.Struct, frozen=True):
    """The term does not hold."""

    term: Term

    def matches(self, row: Row) -> bool:
        """Turn it round."""
        return not self.term.matches(row)

    def sql(self) -> Sql | None:
        """Turn it round."""
        inner = self.term.sql()
        return None if inner is None else (f"NOT ({inner[0]})", inner[1])


class Filter(msgspec.Struct, frozen=True):
    """A parsed filter; no terms let every row through."""

    terms: tuple[Term, ...] = ()

    def matches(self, row: Row) -> bool:
        """Whether the row passes. At most about a second for the worst pattern and text (see `pattern`)."""
        for term in self.terms:  # noqa: SIM110  (a generator costs half as much again, for every row held)
            if not term.matches(row):
                return False
        return True

    def sql(self) -> Sql | None:
        """A WHERE clause over the columns of `invocations` that says exactly the same, or None."""
        return _joined(self.terms, " AND ") if self.terms else ("1", [])

    def narrowing(self) -> Sql:
        """As much of it as SQL can say; rows that it lets through are still to be asked `matches`."""
        sayable = tuple(term for term in self.terms if term.sql() is not None)
        return _joined(sayable, " AND ") or ("1", [])


def parse(text: str) -> Filter:
    """Parse a filter. Raises `FilterError` with a message for people and the position of the mistake."""
    return Filter(tuple(_Parser(text).terms()))


def quoted(text: str) -> str:
    """`text` as a term (or the value of `fn:`, `trigger:`, …) that means just that text, whatever is in it."""
    return '"' + re.sub(r'(["\\\\])', r"\\\1", text) + '"'


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def terms(self) -> list[Term]:
        found = []
        while self._skip_spaces():
            found.append(self._term())
        return found

    def _skip_spaces(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def _term(self) -> Term:
        negated = False
        start = self.at
        while self.text.startswith("!", self.at):
            negated = not negated
            self.at += 1
        if self.at >= len(self.text) or self.text[self.at].isspace():
            raise FilterError("`!` needs a term right after it, such as !state:ok.", start)
        term = self._positive()
        return Not(term) if negated else term

    def _positive(self) -> Term:
        start = self.at
        if other := re.compile(r"-[A-Za-z]+:|(?:AND|OR|NOT)(?=\s)").match(self.text, start):
            words = f"What must not hold begins with `!`: !{other[0][1:]}…"
            raise FilterError(_OF_OTHER_LANGUAGES.get(other[0], words), start)
        key = re.compile(r"([A-Za-z]+):").match(self.text, self.at)
        if key is None:
            if hash_id := re.compile(r"#(\d{1,15})(?=\s|$)").match(self.text, self.at):
                self.at = hash_id.end()
                number = float(hash_id[1])
                return Between("id", number, ">=", number, "<=")
            return self._text_term(FREE_TEXT, start)
        name = key[1].lower()
        self.at = key.end()
        if name in TEXTS:
            return self._text_term((TEXTS[name],), start)
        if name not in (*NUMBERS, "state", "is"):
            raise FilterError(f"There is no field `{key[1]}:`; fields are {' '.join(FIELDS)}. "
                              f"To look for that text, quote it: \"{key[0]}…\"", start)
        position = self.at
        terms: list[Term] = []
        for value in self._word().lower().split(","):
            terms.append(self._valued(name, value, position))
            position += len(value) + 1
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _valued(self, name: str, value: str, position: int) -> Term:
        if name == "state":
            if value not in STATES:
                instead = f" `is:{value}` asks for that." if value in FLAGS else ""
                raise FilterError(f"There is no state `{value}`; states are {', '.join(STATES)}.{instead}", position)
            return InState(value)
        if name == "is":
            if value not in FLAGS:
                raise FilterError(f"`is:` knows {', '.join(FLAGS)}, not `{value}`.", position)
            return Is(value)
        return _range(name, value, position)

    def _text_term(self, columns: tuple[str, ...], start: int) -> Term:
        if self.text.startswith("/", self.at):
            return self._regex(columns)
        if self.text.startswith('"', self.at):
            return Contains(columns, self._quoted())
        word = self._word()
        if not word:
            raise FilterError("A value is missing here, such as fn:GetOrder.", start)
        if columns == ("function",):
            names = [Glob("function", name) if set(name) & {"*", "?"} else Contains(columns, name)
                     for name in word.split(",") if name]
            if not names:
                raise FilterError("A function's name is missing here.", start)
            return names[0] if len(names) == 1 else AnyOf(tuple(names))
        if len(columns) == 1 and set(word) & {"*", "?"}:
            return Glob(columns[0], word)
        return Contains(columns, word)

    def _word(self) -> str:
        found = re.compile(r"\S*").match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return found[0]

    def _quoted(self) -> str:
        found = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)', re.DOTALL).match(self.text, self.at)
        if found is None:
            raise FilterError('This quote has no end, or something follows it without a space.', self.at)
        self.at = found.end()
        return re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)

    def _regex(self, columns: tuple[str, ...]) -> Term:
        found = re.compile(r"/((?:[^/\\]|\\.)+)/(?=\s|$)", re.DOTALL).match(self.text, self.at)
        if found is None:  # a path such as /orders/7 is text
            word = self._word()
            if word == "/" or not word.endswith("/") or word.count("/") > 2:
                return Contains(columns, word)
            raise FilterError("This regular expression is empty.", self.at - len(word))
        pattern = found[1].replace(r"\/", "/")
        try:
            compile_safely(pattern)
        except PatternError as error:
            raise FilterError(str(error), self.at + 1 + error.position) from error
        self.at = found.end()
        return Regex(columns, pattern)


def _range(name: str, value: str, position: int) -> Term:
    """`>100`, `<=1.5s`, `10..20`, `100`: a bare number means that number, whatever follows its decimal point."""
    column = NUMBERS[name]
    compared = re.fullmatch(r"(>=|<=|>|<|=)?(\d{1,15}(?:\.\d{1,6})?)([a-z]*)", value)
    if compared and compared[3] in _UNITS:
        number = float(compared[2]) * _UNITS[compared[3]]
        match compared[1]:
            case ">" | ">=":
                return Between(column, low=number, low_op=compared[1])
            case "<" | "<=":
                return Between(column, high=number, high_op=compared[1])
            case _:
                return Between(column, number, ">=", number + 1, "<")
    span = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)([a-z]*)\.\.(\d{1,15}(?:\.\d{1,6})?)([a-z]*)", value)
    if span and span[2] in _UNITS and span[4] in _UNITS:
        return Between(column, float(span[1]) * _UNITS[span[2]], ">=", float(span[3]) * _UNITS[span[4]], "<=")
    example = {"id": "id:12, id:10..20", "bytes": "bytes:>10kb"}.get(name, f"{name}:>100, {name}:<1.5s, {name}:10..20")
    raise FilterError(f"`{value}` is no number to compare with; write {example}.", position)


def _joined(terms: tuple[Term, ...], word: str) -> Sql | None:
    clauses, values = [], list[str | float]()
    for term in terms:
        said = term.sql()
        if said is None:
            return None
        clauses.append(f"({said[0]})")
        values += said[1]
    return (word.join(clauses), values) if clauses else None


def _sayable(text: str) -> bool:
    """Whether SQLite compares the text as we do: it folds ASCII only, stops at NUL, and bounds its patterns."""
    return text.isascii() and "\0" not in text and len(text) <= 1000


def _folded(text: str) -> tuple[str, Callable[[str], str]]:
    return (text.lower(), _fold_ascii) if text.isascii() else (text.lower(), str.lower)


def _fold_ascii(text: str) -> str:
    """A–Z in lower case and nothing else, as SQLite's `lower` does."""
    return text.lower() if text.isascii() else text.encode("utf-8", "surrogatepass").lower().decode(
        "utf-8", "surrogatepass")
