"""The list of invocations: draws only the lines on screen, so that 100,000 rows cost no more than fifty."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from itertools import islice
from time import monotonic
from typing import ClassVar, NamedTuple

import msgspec
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from livetui.session.invocation import FINISHED, Row
from livetui.tui import text
from livetui.tui.keys import LIST_KEYS
from livetui.tui.messages import CopyRequested, RowOpened, RowSelected
from livetui.tui.paint import ink
from livetui.tui.rows import MOST_ROWS, SORTS, Matches, Rows
from livetui.tui.widgets.columns import Column, cell, columns_for
from livetui.tui.widgets.scrolling import resize

UNDER_THE_FINGER_S = 0.3
"""A row that came under the cursor so shortly before a key was pressed is not the one that was meant."""
AT_ONCE = 5_000
"""Rows held back that are taken in between two keys."""


class Slide(NamedTuple):
    """The list moved by itself, because it follows the newest row."""

    when: float
    row: int | None
    """What was under the cursor before."""
    top: int
    """The list's line that was the first on screen before."""


class InvocationList(ScrollView, can_focus=True):
    """The lines. Rows come in by `take`; the cursor, following and freezing are decided here."""

    BINDINGS: ClassVar[list[BindingType]] = [*LIST_KEYS]

    class Changed(Message):
        """Following, freezing, order or the number of rows changed: the frame's words are to be written anew."""

        def can_replace(self, message: Message) -> bool:
            """The words are the same however often they are written."""
            return isinstance(message, InvocationList.Changed)

    class TopReached(Message):
        """The oldest row held is on screen."""

    def __init__(self, clock: Callable[[], float] = time.time, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows = Rows()
        self.cursor = 0
        self.following = True
        self.frozen = False
        self.unseen = 0
        self._clock = clock
        self._held_back: dict[int, Row] = {}
        self._strips: LRUCache[tuple[int, int], tuple[Row, Strip]] = LRUCache(1_000)
        self._styles: dict[tuple[str, int, bool], Style] = {}
        self._columns: tuple[Column, ...] = ()
        self._names = 8
        self._slides: deque[Slide] = deque()
        self.own: set[int] = set()
        """Rows that the user asked for since the list was frozen."""
        self.pinned: Callable[[int], bool] = lambda id: False
        """Whether a row runs again at each reload."""
        self._wanted: int | None = None
        """The row that the cursor was put on, while a filter hides it."""
        self.why_empty: tuple[str, ...] = ()
        """What stands in place of rows while there are none."""

    # -- rows ------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows.at(self.cursor)

    def knows(self, id: int) -> bool:
        """Whether a row came before, shown or held back."""
        return id in self._held_back or self.rows.get(id) is not None

    def let_through(self, request: str) -> int | None:
        """Show the row of this request of the user's own that came before it was known as that; its id."""
        came = (*self._held_back.values(), *self.rows.newest_first(200))
        row = next((row for row in came if row.request_id == request), None)
        if row is None:
            return None
        self.own.add(row.id)
        self.rows.asked_for.add(row.id)
        if self._held_back.pop(row.id, None) is not None:
            self.unseen -= 1
        self.take([row])
        return row.id

    def take(self, batch: Iterable[Row], *, asked: bool = False, told: bool = False) -> None:
        """Take new and changed rows in: once per tick, however many they are.

        Those that the user `asked` to see are not news: they are shown even while the list is frozen, and move nothing.
        A caller that tells how many there are says `told`; else a message has it told.
        """
        batch = list(batch)
        if not told:
            self.post_message(self.Changed())
        if self.frozen and not asked:
            batch = self._hold_back(batch)
            if not batch:
                return
        elif self._held_back:  # what comes now is newer
            for row in batch:
                self._held_back.pop(row.id, None)
        selected = self.current
        shown = len(self.rows)
        self._names = max(self._names, max((len(row.function) for row in batch), default=0))
        change = self.rows.apply(batch)
        anew = change.reshaped or not shown  # where there was no row, words stood
        if change.added or change.reshaped:
            anew |= self._resize()
        if not self.following and not asked:
            self.unseen += change.added
        if self.following and (not asked or selected is None):
            self._slide(selected)
        elif selected is not None and (change.reshaped or self.current is not selected):
            self._stay_on(selected.id)
        if anew:
            self.refresh()
        else:
            top, bottom = self.scroll_offset.y, self.scroll_offset.y + self.size.height
            for at in (*map(self.rows.index, change.updated), *range(max(shown, top), min(len(self.rows), bottom))):
                if at is not None and top <= at < bottom:
                    self.refresh_line(at)
        self._tell(selected)

    def _hold_back(self, batch: list[Row]) -> list[Row]:
        """Keep rows until the list goes on. What the user did is not held back: own rows, marks and notes."""
        through: list[Row] = []
        for row in batch:
            shown = self.rows.get(row.id)
            if row.id in self.own:
                through.append(row)
                continue
            if shown is None and row.id not in self._held_back:
                self.unseen += 1
            elif shown is not None and (row.marked, row.note) != (shown.marked, shown.note):
                through.append(msgspec.structs.replace(shown, marked=row.marked, note=row.note))
            self._held_back[row.id] = row
        while len(self._held_back) > MOST_ROWS:  # the list could not hold more of them either
            del self._held_back[next(iter(self._held_back))]
        return through

    def _slide(self, before: Row | None) -> None:
        """Follow the newest row, remembering what it took the place of."""
        top = self.scroll_offset.y
        self._go(len(self.rows) - 1)
        if self.current is not before:
            self._slides.append(Slide(monotonic(), None if before is None else before.id, top))
            self._seen()  # lets go of what is too long ago

    def _seen(self) -> Slide | None:
        """How the list stood for whoever presses a key now; None when it stands as it did then."""
        while self._slides and monotonic() - self._slides[0].when >= UNDER_THE_FINGER_S:
            self._slides.popleft()
        return self._slides[0] if self._slides and self.following and not self.frozen else None

    def meant(self) -> Row | None:
        """The row that a key is about: not one that slid under the cursor a moment before. Following ends there."""
        row, seen = self.current, self._seen()
        if seen is not None and seen.row is not None:
            row = self.rows.get(seen.row) or row
        if self.following and not self.frozen and row is not None:
            self.stay(row.id)
        return row

    def filter(self, matches: Matches | None, known: Collection[int] | None = None) -> None:
        """Show only the rows that match; `known` are the ids for which that was found out already."""
        selected = self.current
        wanted = self._wanted if self._wanted is not None else None if selected is None else selected.id
        self.rows.filter(matches, known)
        self._wanted = wanted if wanted is not None and self.rows.index(wanted) is None else None
        self._rearranged(selected, wanted)

    def _rearranged(self, selected: Row | None, wanted: int | None = None) -> None:
        self._resize()
        if self.following:
            self._go(len(self.rows) - 1)
        elif wanted is not None:
            self._stay_on(wanted)
            self._into_view()
        self.refresh()
        self.post_message(self.Changed())
        self._tell(selected)

    def _stay_on(self, id: int) -> None:
        """The cursor and what is on screen around it go where a row is now."""
        at = self.rows.index(id)
        before = self.cursor
        self.cursor = at if at is not None else max(0, min(self.cursor, len(self.rows) - 1))
        if self.cursor != before:
            self.refresh()
            top = self.scroll_offset.y + self.cursor - before
            self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def _tell(self, before: Row | None) -> None:
        if self.current is not before:
            self.post_message(RowSelected(self.current))

    def _resize(self) -> bool:
        """Make room for the rows that there are; whether other columns fit now."""
        digits = len(str(self.rows.newest or 0))
        columns = columns_for(self.scrollable_content_region.width - 1, digits, self._names)
        changed = columns != self._columns and bool(self.size)  # another view may be shown: no width to fill then
        if changed:
            self._columns = columns
            self._strips.clear()
        resize(self, Size(self.scrollable_content_region.width, len(self.rows)))
        return changed

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that fit now."""
        return self._columns

    def explain(self, *words: str) -> None:
        """Say why there are no rows."""
        if words != self.why_empty:
            self.why_empty = words
            if not len(self.rows):
                self.refresh()

    def redraw(self) -> None:
        """A sign of a row may have changed."""
        self._strips.clear()
        self.refresh()

    def refresh_clocks(self) -> None:
        """Draw the lines on screen that count time: running and paused ones."""
        top = self.scroll_offset.y
        for at in range(top, min(top + self.size.height, len(self.rows))):
            row = self.rows.at(at)
            if row is not None and row.state in ("running", "paused"):
                self.refresh_line(at)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Older rows may be wanted."""
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value:
            self.post_message(self.TopReached())

    def on_resize(self) -> None:
        """Columns give way on narrow screens; the cursor stays in sight."""
        self._strips.clear()
        self._resize()
        self._go(len(self.rows) - 1 if self.following else self.cursor)
        self.refresh()
        self.post_message(self.Changed())

    def on_show(self) -> None:
        """Rows came while another view was shown."""
        self.on_resize()

    def notify_style_update(self) -> None:
        """Colours may have changed: draw everything anew."""
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        at = self.scroll_offset.y + y
        row = self.rows.at(at)
        width = self.size.width
        if row is None:
            words = self.why_empty[y - 1] if not len(self.rows) and 1 <= y <= len(self.why_empty) else ""
            segments = [Segment(f"  {words}", self._style("dim", 0, False))]
            return Strip(segments).adjust_cell_length(width, self._style("", 0, False))
        cursor = 0 if at != self.cursor else 2 if self.has_focus else 1
        key = (row.id, cursor * 2 + at % 2)
        drawn = self._strips.get(key)
        if drawn is not None and drawn[0] is row and row.state in FINISHED:
            return drawn[1]
        strip = self._draw(row, cursor, at % 2 == 1, width)
        self._strips[key] = (row, strip)
        return strip

    def _draw(self, row: Row, cursor: int, odd: bool, width: int) -> Strip:
        now = self._clock()
        signs = "●" * self.pinned(row.id) + "◆" * row.marked + "✎" * bool(row.note)
        # One stands before the number, more before the trigger, or before the function where that has no room.
        places = {"function", "trigger"} & {column.name for column in self._columns}
        more = max(places) if signs[1:] else ""
        base = self._style("", cursor, odd)
        segments = [Segment(signs[:1] or ("▌" if cursor else " "), base)]
        for column in self._columns:
            words, role = cell(row, column.name, now)
            words = f"{signs[1:]} {words}" if column.name == more else words
            gap = " " if column.right or column.name in ("state", "time") else "  "
            cells = text.fit(words, column.width, column.right) + gap
            segments.append(Segment(cells, self._style(role, cursor, odd)))
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, role: str, cursor: int, odd: bool) -> Style:
        key = role, cursor, odd
        style = self._styles.get(key)
        if style is None:
            over = ("", "cursor-blurred", "cursor")[cursor]
            style = self.rich_style + ink(self, "odd" if odd else "") + ink(self, role) + ink(self, over)
            self._styles[key] = style
        return style

    # -- the cursor ------------------------------------------------------------------------------------------------

    def _go(self, at: int) -> None:
        at = max(0, min(at, len(self.rows) - 1))
        if at != self.cursor:
            before, self.cursor = self.cursor, at
            self.refresh_line(before)
        self.refresh_line(at)
        self._into_view()

    def _into_view(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, immediate=True, force=True)

    def move_to(self, at: int) -> None:
        """Put the cursor on a line; following ends when it leaves the newest row and begins when it comes back."""
        before = self.current
        self._wanted = None
        self._slides.clear()
        self._go(at)
        newest = self.cursor >= len(self.rows) - 1
        if newest != self.following and not (self.frozen and newest) and not (newest and self.rows.sort != "#"):
            self.following = newest
            self.unseen = 0 if newest else self.unseen
            self.post_message(self.Changed())
        self._tell(before)

    def select(self, id: int) -> bool:
        """Put the cursor on a row; False when it is not shown."""
        at = self.rows.index(id)
        if at is None:
            return False
        self.move_to(at)
        return True

    def stay(self, id: int) -> bool:
        """Put the cursor on a row and leave it there, however many come after it; False when it is not shown."""
        if not self.select(id):
            return False
        self.following = False
        self.post_message(self.Changed())
        return True

    def action_down(self) -> None:
        """One row down."""
        self.move_to(self.cursor + 1)

    def action_up(self) -> None:
        """One row up."""
        self.move_to(self.cursor - 1)

    def action_top(self) -> None:
        """To the first row."""
        self.move_to(0)

    def action_bottom(self) -> None:
        """To the last row."""
        self.move_to(len(self.rows) - 1)

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

    def action_open(self) -> None:
        """To the details of this row."""
        row = self.meant()
        if row is not None:
            self.post_message(RowOpened(row))

    def action_copy(self) -> None:
        """Copy this row's event."""
        row = self.meant()
        if row is not None:
            self.post_message(CopyRequested("", "event", row))

    def follow(self) -> None:
        """Keep the cursor on the newest row from now on."""
        if self.frozen:
            self.action_freeze()
        before = self.current
        self.following = True
        self.unseen = 0
        self._go(len(self.rows) - 1)
        self._tell(before)
        self.post_message(self.Changed())

    def action_follow(self) -> None:
        """Follow the newest row, or stop following."""
        if self.following:
            self.following = False
            self.post_message(self.Changed())
        else:
            self.follow()

    def action_freeze(self) -> None:
        """Hold the list still, or let it go on."""
        self.frozen = not self.frozen
        if self.frozen:
            self.unseen = len(self._held_back)
        else:
            self.own.clear()
            self.unseen = 0
            self._catch_up()
        self.post_message(self.Changed())

    def _catch_up(self) -> None:
        """Take the rows in that were held back: as many at a time as leave a key unnoticed."""
        if self.frozen or not self._held_back:
            return
        self.take([self._held_back.pop(id) for id in list(islice(self._held_back, AT_ONCE))])
        if self._held_back:
            self.set_timer(0.01, self._catch_up)

    def action_sort(self) -> None:
        """Sort by the next column."""
        names = [column.name for column in self._columns if column.name in SORTS]
        at = names.index(self.rows.sort) if self.rows.sort in names else -1
        self.sort_by(names[(at + 1) % len(names)])

    def action_sort_reverse(self) -> None:
        """Turn the order round."""
        self.sort_by(self.rows.sort)

    def sort_by(self, name: str) -> None:
        """Sort by a column; by the same column again turns the order round. Numbers are in the order of time."""
        name = "#" if name == "time" else name
        if name not in SORTS:
            return
        selected = self.current
        self.rows.order(name, not self.rows.descending if name == self.rows.sort else False)
        if name != "#" or self.rows.descending:
            self.following = False
        self._strips.clear()
        self._rearranged(selected, None if selected is None else selected.id)

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor, a second one opens."""
        offset = event.get_content_offset(self)
        seen = self._seen()
        top = self.scroll_offset.y if seen is None else seen.top
        at = -1 if offset is None else top + offset.y
        if event.widget is self and 0 <= at < len(self.rows):
            self.move_to(at)
            if event.chain == 2:
                self.action_open()

    def on_focus(self) -> None:
        """The cursor becomes bright."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor becomes pale."""
        self.refresh()
