"""The words in a widget's border."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


def frame(widget: Widget, title: str | None = None, subtitle: str | None = None) -> None:
    """Write the title, the subtitle or both. Either draws the whole widget anew: so only when it is another."""
    for name, words in (("border_title", title), ("border_subtitle", subtitle)):
        if words is not None and getattr(widget, name) != (content := Content(words)).markup:
            setattr(widget, name, content)
