"""The top line: which app this is, whether the link is up, and the endpoint to call."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from livetui.session.events import LinkChanged, SessionLive
from livetui.tui import text
from livetui.tui.messages import CopyRequested
from livetui.tui.paint import ink


def endpoint_of(live: SessionLive | None) -> str:
    """The address people call: the first output that is one of an API or of a function, or else any but a queue's."""
    outputs = [] if live is None else [each for each in live.outputs.values() if re.match("https?://", each)]
    named = [each for each in outputs if re.search(r"://[^/]*\.(execute-api|lambda-url)\.", each)]
    return next((each for each in named or outputs if not re.search(r"/\d{12}/[^/]+$", each)), "")


def is_whole(address: str) -> bool:
    """Whether an address goes on after an API's id and stage, so that it is one to call as it stands."""
    place = urlsplit(address)
    first = 2 if place.hostname in ("localhost", "127.0.0.1") else 1  # the local cloud's APIs have their id in the path
    return len([part for part in place.path.split("/") if part]) > first


def link_words(link: LinkChanged | None, live: bool, since: str = "") -> tuple[str, str]:
    """The link's state as glyph and words, and the role that colours it."""
    if link is None:
        return ("● live", "ok") if live else ("… starting", "warn")
    detail = text.safe(link.detail)[:60]
    match link.state:
        case "live":
            return f"● live{'' if link.round_trip_ms is None else f' {text.ms(link.round_trip_ms)} ms'}", "ok"
        case "connecting":
            return "… connecting", "warn"
        case "offline":
            return f"○ offline{f' since {since}' if since else ''}{f' · {detail}' if detail else ''}", "error"
        case "held":
            return f"✗ held by {detail or 'another console'} · T takes over", "error"
        case "taken-over":
            return f"✗ taken over{f' by {detail}' if detail else ''} · T takes back", "error"
        case _:
            return "○ closed", "dim"


ENDPOINT_AT_LEAST = 21
"""Cells for which account and region make room, so that an address can still be recognised."""


class Header(Widget):
    """One line, drawn to fit: the endpoint shrinks first, then account and region go."""

    where: reactive[tuple[str, ...]] = reactive(())
    """App, stage, and account/region."""
    link: reactive[tuple[str, str]] = reactive(("… starting", "warn"))
    badges: reactive[tuple[str, ...]] = reactive(())
    """Words such as `‖ 1 paused` or `VS Code attached`."""
    endpoint: reactive[str] = reactive("")

    def __init__(self) -> None:
        super().__init__()
        self._endpoint_at = (0, 0)
        self._link_at = (0, 0)
        self.tooltip = "Click the address to copy it, the link's state for more about it"

    def render_line(self, y: int) -> Strip:
        """Lay the parts out for the present width."""
        base, width = self.rich_style, self.size.width
        words, role = self.link
        badges = "".join(f"   {badge}" for badge in self.badges)
        parts = [part for part in self.where if part]
        left = f"   {' · '.join(parts)}"
        room = width - cell_len(" livetui") - cell_len(words) - cell_len(badges) - 5
        wanted = ENDPOINT_AT_LEAST + 3 if self.endpoint else 0
        if cell_len(left) > room - wanted and len(parts) > 2:
            left = f"   {' · '.join(parts[:2])}"
        left = text.fit(left, max(0, min(cell_len(left), room)))
        room -= cell_len(left)
        shown = self._endpoint_in(room - 3)
        gap = " " * max(2, room - cell_len(shown) - (3 if shown else 0) + 3)
        segments = [Segment(" livetui", base + ink(self, "brand")), Segment(left, base), Segment(gap, base)]
        self._link_at = self._span(segments, words)
        segments += [Segment(words, base + ink(self, role)), Segment(badges, base + ink(self, "warn"))]
        if shown:
            segments.append(Segment("   ", base))
            self._endpoint_at = self._span(segments, shown)
            segments.append(Segment(shown, base + ink(self, "link")))
        else:
            self._endpoint_at = (0, 0)
        return Strip(segments).adjust_cell_length(width, base)

    @staticmethod
    def _span(segments: list[Segment], words: str) -> tuple[int, int]:
        start = sum(cell_len(segment.text) for segment in segments)
        return start, start + cell_len(words)

    def _endpoint_in(self, room: int) -> str:
        if not self.endpoint or room < 12:
            return ""
        full = text.safe(self.endpoint).rstrip("/")
        if cell_len(full) <= room:
            return full
        place = full.partition("://")[2] or full
        return place if cell_len(place) <= room else text.fit(place, room) if room >= 18 else ""

    def on_click(self, event: events.Click) -> None:
        """A click on the endpoint copies it."""
        if self._endpoint_at[0] <= event.x < self._endpoint_at[1]:
            self.post_message(CopyRequested(self.endpoint, "endpoint"))
        elif self._link_at[0] <= event.x < self._link_at[1]:
            self.app.call_later(self.app.run_action, "screen.view('link')")
