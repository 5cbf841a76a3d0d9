"""A pane whose border carries words that change all the time."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region


class Framed(Vertical):
    """Draws the line of the border whose words change, where Textual draws the whole pane."""

    _line: int | None = None
    """The only line that `refresh` is about; None: all that it is asked for."""

    def frame(self, title: str | None = None, subtitle: str | None = None) -> None:
        """Write the title, the subtitle or both."""
        last = self.outer_size.height - 1
        for name, words, line in (("border_title", title, 0), ("border_subtitle", subtitle, last)):
            if words is None or getattr(self, name) == (content := Content(words)).markup:
                continue
            self._line = line
            try:
                setattr(self, name, content)
            finally:
                self._line = None

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Framed:
        """What a change of a title draws anew is its line, seen from the pane's content."""
        if self._line is not None:
            left, top = self.content_offset
            regions = (Region(-left, self._line - top, self.outer_size.width, 1),)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
