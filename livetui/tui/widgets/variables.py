"""Watch expressions and variables of a paused frame as a tree that asks for children only when a branch is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.binding import BindingType
from textual.message import Message

from livetui.session.debugging import Variable, Watched
from livetui.session.secrets import MASK, is_secret_name, mask_text
from livetui.tui.documents import Document, empty
from livetui.tui.keys import VARIABLE_KEYS
from livetui.tui.text import Line, clipped, safe
from livetui.tui.widgets.lines import LinesPane

MOST_CHILDREN = 200


class Node(msgspec.Struct):
    """One variable on screen."""

    variable: Variable
    parent: int
    """Reference of what holds it, by which it is given another value."""
    depth: int
    open: bool = False
    watch: str = ""
    """The watch expression that it is the result of."""
    error: str = ""
    """Why the watch expression has no result."""


class VariablesPane(LinesPane, inherit_bindings=False):
    """The tree. Whoever shows it answers `Wanted` with `add`."""

    BINDINGS: ClassVar[list[BindingType]] = [*VARIABLE_KEYS]

    class Wanted(Message):
        """A branch was opened: its children are to be asked for."""

        def __init__(self, node: Node) -> None:
            super().__init__()
            self.node = node

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.nodes: list[Node] = []
        self.unmasked = False

    @property
    def chosen(self) -> Node | None:
        """The variable under the cursor."""
        return self.nodes[self.current] if self.nodes and self.current < len(self.nodes) else None

    def fill(self, variables: Sequence[Variable], reference: int) -> None:
        """Show the variables of a frame below the watch expressions, with the branches open that were open before."""
        watches = [node for node in self.nodes if node.watch]
        self._fill([*watches, *(Node(variable, reference, 0) for variable in variables)])

    def fill_watches(self, watched: Sequence[Watched]) -> None:
        """Show what the watch expressions give now, above the variables."""
        above = [
            Node(Variable(each.expression, given.value, given.type, given.reference), 0, 0, False, each.expression)
            if (given := each.result)
            else Node(Variable(each.expression, ""), 0, 0, False, each.expression, each.error)
            for each in watched
        ]
        self._fill([*above, *(node for node in self.nodes if node.depth == 0 and not node.watch)])

    def _fill(self, tops: Sequence[Node]) -> None:
        opened = {(node.watch, node.variable.name) for node in self.nodes if node.open and node.depth == 0}
        before = {node.variable.name for node in self.nodes if node.depth == 0 and not node.watch}
        chosen = self.chosen
        self.nodes = [msgspec.structs.replace(node, open=False) for node in tops]
        same = before == {node.variable.name for node in tops if not node.watch}  # of the same frame, as after a change
        self._write(keep=same)
        if same and chosen is not None and chosen.depth == 0:
            names = [(node.watch, node.variable.name) for node in self.nodes]
            if (chosen.watch, chosen.variable.name) in names:
                self.move_to(names.index((chosen.watch, chosen.variable.name)))
        for node in list(self.nodes):
            if (node.watch, node.variable.name) in opened and node.variable.reference:
                self.post_message(self.Wanted(node))

    def add(self, node: Node, children: Sequence[Variable]) -> None:
        """The children of a branch have come."""
        at = next((at for at, each in enumerate(self.nodes) if each is node), None)
        if at is None or node.open:
            return
        node.open = True
        self.nodes[at + 1 : at + 1] = [
            Node(child, node.variable.reference, node.depth + 1) for child in children[:MOST_CHILDREN]
        ]
        self._write()

    def clear(self, why: str) -> None:
        """Nothing to see."""
        self.nodes = []
        self.show(empty(why))

    def action_open(self) -> None:
        """Open or close the branch under the cursor."""
        node = self.chosen
        if node is None or not node.variable.reference:
            return
        if not node.open:
            self.post_message(self.Wanted(node))
            return
        node.open = False
        at = self.current
        end = at + 1
        while end < len(self.nodes) and self.nodes[end].depth > node.depth:
            end += 1
        del self.nodes[at + 1 : end]
        self._write()

    def action_unmask(self) -> None:
        """Show or mask secrets."""
        self.unmasked = not self.unmasked
        self._write()

    def _write(self, keep: bool = True) -> None:
        lines: list[Line] = [self._line(node) for node in self.nodes]
        self.show(Document(lines, kind="text") if lines else empty("There are no variables."), keep=keep)

    def told(self, variable: Variable) -> str:
        """Its value, masked where it is secret unless that was asked for."""
        if self.unmasked:
            return variable.value
        hidden = is_secret_name(variable.name) and not variable.reference
        return MASK if hidden else mask_text(variable.value[:4_000])

    def _line(self, node: Node) -> Line:
        variable = node.variable
        if node.error:
            return (("◇ ", "point"), (safe(node.watch)[:80], "key"), ("  ", ""), (safe(node.error)[:300], "dim"))
        value, left_out = clipped(self.told(variable))
        branch = ("▼ " if node.open else "▶ ") if variable.reference else "◇ " if node.watch else "  "
        kind = (
            f"  {safe(variable.type)[:40]}"
            if variable.type and variable.type not in ("str", "int", "NoneType", "bool", "float")
            else ""
        )
        return (
            ("  " * node.depth + branch, "point" if node.watch else "dim"),
            (safe(variable.name)[:80], "key"),
            ("  ", ""),
            (value, "string" if variable.type == "str" else ""),
            (kind, "dim"),
            (f" … {left_out:,} more" if left_out else "", "dim"),
        )
