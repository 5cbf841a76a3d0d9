"""Exception filters as pydevd and editors write them."""

import pytest

from livetui.debug.exceptions import ExceptionFilters, from_editor, union
from livetui.errors import UsageError


def test_everyones_filters_hold() -> None:
    assert union([ExceptionFilters(True), ExceptionFilters(classes=("A",)), ExceptionFilters(classes=("A", "b.C"))]) \
        == ExceptionFilters(True, False, ("A", "b.C"))
    assert not union([])


def test_classes_need_options_and_filters_do_not() -> None:
    assert ExceptionFilters(True, True, ("A",)).arguments() == {"filters": ["raised", "uncaught"]}
    assert ExceptionFilters(True, False, ("A",)).arguments() == {"filters": [], "exceptionOptions": [
        {"path": [{"names": ["Python Exceptions"]}, {"names": ["A"]}], "breakMode": "always"},
        {"path": [{"names": ["Python Exceptions"]}], "breakMode": "unhandled"}]}


def test_what_an_editor_asks_is_understood() -> None:
    ours = ExceptionFilters(True, False, ("ValueError",))
    assert from_editor(ours.arguments() | {"filters": ["uncaught"]}) == ours
    assert from_editor({"filters": [], "filterOptions": [{"filterId": "uncaught"}]}) == ExceptionFilters(True)


@pytest.mark.parametrize("name", ["", "1x", "a b", "__import__('os')", "a.", "x;y"])
def test_a_class_name_is_a_name(name: str) -> None:
    with pytest.raises(UsageError):
        ExceptionFilters(classes=(name,)).check()
