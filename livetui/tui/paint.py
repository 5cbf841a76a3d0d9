"""Styles of a theme for pieces of plain text."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget


def foreground(widget: Widget, component: str) -> Style:
    """Colour and weight of a component class without its background, which the line beneath decides."""
    full, own = widget.get_component_rich_style(component), widget.get_component_rich_style(component, partial=True)
    return Style(color=full.color, bold=own.bold, italic=own.italic, underline=own.underline, dim=own.dim,
                 reverse=own.reverse, strike=own.strike)


def background(widget: Widget, component: str) -> Style:
    """All that a component class says, its background included."""
    own = widget.get_component_rich_style(component, partial=True)
    return own if own.color is None else own + Style(color=widget.get_component_rich_style(component).color)
