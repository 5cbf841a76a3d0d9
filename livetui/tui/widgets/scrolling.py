"""Another length for a view that draws its own lines, without laying the whole screen out again."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView


def resize(view: ScrollView, size: Size) -> None:
    """Give a view another virtual size; the screen is laid out again only when a scroll bar comes or goes.

    Textual lays out on every change of `virtual_size`, which takes longer than drawing all lines of the list.
    """
    if view.styles.height is None or view.styles.height.is_auto or not view.size:
        view.virtual_size = size
    elif size != view.virtual_size:
        view.set_reactive(ScrollView.virtual_size, size)
        view._scroll_update(size)
