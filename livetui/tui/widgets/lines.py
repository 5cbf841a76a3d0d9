"""The pane that shows a `Document`: a cursor, folding, search and copying, drawing only the lines on screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.timer import Timer

from livetui.tui.documents import Document, Unpainted, empty
from livetui.tui.keys import DETAIL_KEYS, TEXT_KEYS
from livetui.tui.messages import CopyRequested, TargetOpened
from livetui.tui.paint import ink
from livetui.tui.text import LINE_LIMIT, Line, plain, safe
from livetui.tui.widgets.layout import Layout
from livetui.tui.widgets.scrolling import resize

LEAST_ROOM = 10
"""Cells up to which nothing is wrapped."""
WRAPPED_UP_TO = 25_000
"""Lines of a document that is wrapped; a longer one is scrolled sideways."""
AT_ONCE_S = 0.02
"""How long lines are wrapped before anything else is done; the rest follows in the background."""


class LinesPane(ScrollView, can_focus=True):
    """Shows a document. Every line is drawn from pieces of plain text, so no payload can style the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [*TEXT_KEYS]

    class Moved(Message):
        """The cursor stands on another line."""

        def __init__(self, pane: LinesPane) -> None:
            super().__init__()
            self.pane = pane

        def can_replace(self, message: Message) -> bool:
            """Only the last position matters."""
            return isinstance(message, LinesPane.Moved)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.document: Document = empty("")
        self.cursor = 0
        self._folds: dict[int, int] = {}
        self._layout = Layout(self.document, self._folds)
        self._growth: Timer | None = None
        self._pattern: re.Pattern[str] | None = None
        self._hits: list[int] = []
        """Lines of the document that the search found."""
        self._strips: LRUCache[tuple[tuple[int, tuple[int, int]], bool, bool], Strip] = LRUCache(1_000)
        self._styles: dict[str, Style] = {}
        self._width = 0
        self._seen = 0
        self._arranged_for = 0

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show(self, document: Document, keep: bool = False, at_end: bool = False) -> None:
        """Show a document; `keep` stays at the place, as for a log that grows, or at its end."""
        at_end = at_end or (self.cursor >= len(self) - 1 and len(self) > 1)
        line = self.current
        part = self.cursor - self._layout.row(line)
        self.document = document
        if keep:
            self._arrange(line, part, at_end)
            self._into_view()
        else:
            self._folds = {}
            self.cursor = 0
            self._arrange(0)
            self.scroll_to(0, 0, animate=False, immediate=True)
        self.post_message(self.Moved(self))

    def append(self, lines: Sequence[Line | Unpainted], note: str) -> None:
        """Lines were added to the end of a document that is no JSON: costs what they cost, not what is there."""
        held = self.document.lines
        assert isinstance(held, list)
        first, at_end = len(held), self.cursor >= len(self) - 1
        held += lines
        self.document.note = note
        self._layout.append(len(lines))
        if not self._layout.wraps:
            longest = max((len(self.document.text(at)) for at in range(first, len(held))), default=0)
            self._width = max(self._width, min(longest, LINE_LIMIT + 40) + 2)
        self._grow_now()
        if at_end and self._layout.growing:  # too many for now: those at the end are seen
            self._arrange(len(held) - 1)
        if self._pattern is not None:
            self._hits += self._found(range(first, len(held)))
        if at_end:
            self.move_to(len(self) - 1)
        self.refresh()
        self._grow_later()

    def drop(self, count: int) -> None:
        """Take the first lines of a document away; what is on screen stays where it is."""
        held, top = self.document.lines, self.scroll_offset.y
        assert isinstance(held, list)
        del held[:count]
        rows = self._layout.drop(count)
        self._hits = [hit - count for hit in self._hits if hit >= count]
        self._strips.clear()
        self.cursor = max(0, self.cursor - rows)
        resize(self, Size(self._width, len(self)))
        self.scroll_to(y=max(0, top - rows), animate=False, immediate=True, force=True)
        self.refresh()

    def __len__(self) -> int:
        return len(self._layout)

    def _arrange(self, line: int, part: int = 0, at_end: bool = False) -> None:
        """Lay the lines out anew, the cursor on a line: first those around it."""
        lines, room = self.document.lines, self._room
        self._arranged_for = room
        if at_end:
            line = len(lines) - 1
        wraps = self.document.wrap and room > LEAST_ROOM and len(lines) <= WRAPPED_UP_TO
        self._layout = Layout(self.document, self._folds, room if wraps else None, line)
        self._layout.grow(AT_ONCE_S, self.size.height)
        longest = (
            room
            if wraps
            else max((len(self.document.text(at)) for at in range(len(lines))), default=0)
        )
        # Wide characters take two cells: room for a line of nothing else costs only empty space to scroll into.
        self._width = min(longest, LINE_LIMIT + 40) + 2
        self._search_again()
        before, row = self.cursor, self._layout.row(line) + part
        self.cursor = max(0, len(self) - 1 if at_end else min(row, len(self) - 1))
        self._strips.clear()
        resize(self, Size(self._width, len(self)))
        if self.cursor != before:  # it stays where it is on screen
            self.scroll_to(y=self.scroll_offset.y + self.cursor - before, animate=False, immediate=True, force=True)
        self.refresh()
        self._grow_later()

    def _grow_later(self) -> None:
        if self._layout.growing and self._growth is None:
            self._growth = self.set_timer(AT_ONCE_S, self._grow)

    def _grow(self) -> None:
        self._growth = None
        before = self._on_screen()
        self._grow_now()
        if self._on_screen() != before:
            self.refresh()
        self._grow_later()

    def _grow_now(self) -> None:
        """Wrap some more lines; what is on screen stays where it is."""
        top = self.scroll_offset.y
        self.cursor, first = self._layout.grow(AT_ONCE_S, rows=[self.cursor, top])
        resize(self, Size(self._width, len(self)))
        if first != top:
            self.scroll_to(y=first, animate=False, immediate=True, force=True)

    def _on_screen(self) -> list[tuple[int, tuple[int, int]]]:
        top = self.scroll_offset.y
        return [self._layout.place(row) for row in range(top, min(top + self.size.height, len(self)))]

    @property
    def _room(self) -> int:
        """Cells for a line; of a hidden pane, which has none, as many as when it was last seen."""
        self._seen = self.scrollable_content_region.width or self._seen
        return self._seen - 2

    def on_resize(self) -> None:
        """Wrapped lines depend on the width: the cursor stays on its line, or at the end."""
        if self.document.wrap and self._room != self._arranged_for:
            self._anew(self.current, len(self) > 1 and self.cursor >= len(self) - 1)

    def _anew(self, line: int, at_end: bool = False) -> None:
        self._arrange(line, at_end=at_end)
        self._into_view()
        self.post_message(self.Moved(self))

    def action_wrap(self) -> None:
        """Wrap long lines, or let them go on beyond the border."""
        self.document.wrap = not self.document.wrap
        self._anew(self.current)

    def line_at(self, y: int) -> int:
        """The document's line on a line of the pane."""
        return self._layout.line(y)

    @property
    def current(self) -> int:
        """The document's line under the cursor."""
        return self.line_at(max(0, min(self.cursor, len(self) - 1))) if len(self) else 0

    def show_line(self, line: int) -> None:
        """Put the cursor on a line of the document."""
        self.move_to(self._layout.row(line))

    # -- drawing ---------------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Colours may have changed: draw everything anew."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def role(self, name: str) -> Style:
        """The style of a role under the present theme."""
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.rich_style + ink(self, name)
        return style

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        scroll_x, scroll_y = self.scroll_offset
        width = self.size.width
        row = scroll_y + y
        if row >= len(self):
            return Strip.blank(width, self.role(""))
        under = row == self.cursor and self.has_focus
        key = (self._layout.place(row), under, self._pattern is not None)
        strip = self._strips.get(key)
        if strip is None:
            strip = self._draw(row, under)
            self._strips[key] = strip
        selection = self.text_selection
        if selection is not None:
            strip = self._selected(strip, row, selection)
        back = self.document.backs.get(self.line_at(row), "")
        rest = self.role(back or ("line" if under else ""))
        return strip.crop_extend(scroll_x, scroll_x + width, rest).apply_offsets(scroll_x, row)

    def _draw(self, row: int, under: bool) -> Strip:
        index = self.line_at(row)
        end = self._folds.get(index)
        pieces = self._layout.pieces(row) if end is None else self.document.folded(index, end)
        marker = "▸" if end is not None else " "
        if under:
            marker = "▌" if end is None else "▸"
        back = self.document.backs.get(index)
        over = ink(self, back or ("line" if under else ""))
        segments = [Segment(marker, self.role("dim") + over)]
        segments += [Segment(text, self.role(role) + over) for text, role in pieces if text]
        strip = Strip(segments)
        return strip if self._pattern is None else self._with_hits(strip)

    def _with_hits(self, strip: Strip) -> Strip:
        assert self._pattern is not None
        text = strip.text
        for match in self._pattern.finditer(text):
            start, end = cell_len(text[: match.start()]), cell_len(text[: match.end()])
            if start == end:
                continue
            parts = strip.divide([start, end, strip.cell_length])
            hit = Strip([Segment(parts[1].text, self.role("hit"))])
            strip = Strip.join([parts[0], hit, parts[2]] if len(parts) > 2 else [parts[0], hit])
        return strip

    def _selected(self, strip: Strip, row: int, selection: Selection) -> Strip:
        span = selection.get_span(row)
        if span is None:
            return strip
        start, end = span
        end = strip.cell_length if end == -1 else min(end, strip.cell_length)
        if end <= start:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([start, end, strip.cell_length])
        chosen = Strip([Segment(parts[1].text, style)])
        return Strip.join([parts[0], chosen, *parts[2:]])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text that the mouse selected: only its rows are painted."""
        start, end = selection
        first = 0 if start is None else start.y
        rows = range(first, len(self) if end is None else min(end.y + 1, len(self)))
        if not rows:
            return None
        text = "\n".join(" " + plain(self._layout.pieces(row)) for row in rows)
        above = Offset(0, first)
        chosen = Selection(None if start is None else start - above, None if end is None else end - above)
        return chosen.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """The mouse selects: draw the lines again."""
        self.refresh()

    # -- the cursor ------------------------------------------------------------------------------------------------

    def move_to(self, row: int) -> None:
        """Put the cursor on a line of the pane."""
        row = max(0, min(row, len(self) - 1))
        if row != self.cursor:
            before, self.cursor = self.cursor, row
            self.refresh_line(before)
            self.refresh_line(row)
            self.post_message(self.Moved(self))
        self._into_view()

    def _into_view(self) -> None:
        self.scroll_to_region(
            Region(self.scroll_offset.x, self.cursor, 1, 1), animate=False, immediate=True, force=True
        )

    def action_down(self) -> None:
        """One line down."""
        self.move_to(self.cursor + 1)

    def action_up(self) -> None:
        """One line up."""
        self.move_to(self.cursor - 1)

    def action_top(self) -> None:
        """To the first line."""
        self.move_to(0)

    def action_bottom(self) -> None:
        """To the last line."""
        self.move_to(len(self) - 1)

    def action_page_down(self) -> None:
        """One page down."""
        self.move_to(self.cursor + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        """One page up."""
        self.move_to(self.cursor - max(1, self.size.height - 1))

    def action_half_down(self) -> None:
        """Half a page down."""
        self.move_to(self.cursor + max(1, self.size.height // 2))

    def action_half_up(self) -> None:
        """Half a page up."""
        self.move_to(self.cursor - max(1, self.size.height // 2))

    def action_left(self) -> None:
        """Scroll to the left."""
        self.scroll_relative(x=-8, animate=False)

    def action_right(self) -> None:
        """Scroll to the right."""
        self.scroll_relative(x=8, animate=False)

    def on_focus(self) -> None:
        """The cursor becomes visible."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor hides."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a second one opens."""
        offset = event.get_content_offset(self)
        row = -1 if offset is None else self.scroll_offset.y + offset.y
        if 0 <= row < len(self) and event.widget is self:
            self.move_to(row)
            if event.chain == 2:
                self.action_open()

    # -- what can be done with a line ------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Fold or unfold what begins here, or open the source it points at."""
        if not len(self):
            return
        index = self.current
        target = self.document.targets.get(index)
        if target is not None:
            self.post_message(TargetOpened(target.path, target.line))
            return
        if index in self._folds:
            del self._folds[index]
        else:
            end = self.document.closing(index)
            if end is None:
                return
            self._folds[index] = end
        self._arrange(index)

    def action_fold_all(self) -> None:
        """Fold everything below the first level, or unfold all."""
        self._folds = {} if self._folds else self.document.outermost(1)
        self._anew(self.current)

    def action_copy(self) -> None:
        """Copy the value that begins on this line."""
        if len(self):
            self._copy(self.document.value(self.current), f"value of {self.document.path(self.current)}")

    def action_copy_path(self) -> None:
        """Copy where this line stands."""
        if len(self):
            self._copy(self.document.path(self.current), "path")

    def action_copy_all(self) -> None:
        """Copy the whole text as shown, with its secrets masked."""
        self._copy("\n".join(self.document.text(at) for at in range(len(self.document))), "all of the pane")

    def _copy(self, words: str, title: str) -> None:
        self.post_message(CopyRequested("" if self.document.nothing else words, title))

    # -- search ----------------------------------------------------------------------------------------------------

    def search(self, text: str) -> int:
        """Mark every line with `text` (case does not matter unless it has capitals); the number of lines found."""
        self._pattern = (
            re.compile(re.escape(safe(text)), 0 if text != text.lower() else re.IGNORECASE) if text else None
        )
        self._strips.clear()
        self._search_again()
        if self._hits:
            self.show_line(next((hit for hit in self._hits if hit >= self.current), self._hits[0]))
        self.refresh()
        return len(self._hits)

    @property
    def hits(self) -> int:
        """How many lines the search found."""
        return len(self._hits)

    def _search_again(self) -> None:
        self._hits = self._found(self._layout.shown()) if self._pattern is not None else []

    def _found(self, lines: Iterable[int]) -> list[int]:
        pattern, document = self._pattern, self.document
        assert pattern is not None
        return [line for line in dict.fromkeys(lines) if pattern.search(document.text(line))]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without hits the key of the next one is free for others."""
        return bool(self._hits) if action == "next_hit" else super().check_action(action, parameters)

    def action_next_hit(self) -> None:
        """To the next line found."""
        if self._hits:
            self.show_line(next((hit for hit in self._hits if hit > self.current), self._hits[0]))

    def action_previous_hit(self) -> None:
        """To the line found before."""
        if self._hits:
            self.show_line(next((hit for hit in reversed(self._hits) if hit < self.current), self._hits[-1]))


class DetailPane(LinesPane, inherit_bindings=False):
    """The pane of the details: it can do with the invocation what the list can."""

    BINDINGS: ClassVar[list[BindingType]] = [*DETAIL_KEYS]
