"""Styles of a theme for pieces of plain text. One table for all panes, read from the theme once."""

from __future__ import annotations

import msgspec
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.widget import Widget


class Ink(msgspec.Struct, frozen=True):
    """A role: variables of the theme for its colour and its background, and its weight."""

    color: str = ""
    back: str = ""
    bold: bool | None = None
    italic: bool | None = None
    underline: bool | None = None


ROLES: dict[str, Ink] = {
    "key": Ink("text-secondary", bold=True),
    "string": Ink("text-success"),
    "number": Ink("text-warning"),
    "literal": Ink("text-accent", italic=True),
    "dim": Ink("foreground-muted"),
    "title": Ink(bold=True),
    "ok": Ink("text-success"),
    "add": Ink("text-success"),
    "error": Ink("text-error"),
    "remove": Ink("text-error"),
    "warn": Ink("text-warning"),
    "link": Ink("text-accent", underline=True),
    "brand": Ink("text-primary", bold=True),
    "hint": Ink("text-accent", bold=True),
    "bar": Ink("text-primary"),
    "code": Ink(),
    "keyword": Ink("text-accent"),
    "call": Ink("text-primary"),
    "comment": Ink("foreground-muted", italic=True),
    "point": Ink("text-error", bold=True),
    "hit": Ink("background", "warning", bold=True),
    "here": Ink(back="warning-muted"),
    "line": Ink(back="surface-lighten-2"),
    "odd": Ink(back="surface"),
    "cursor": Ink("block-cursor-foreground", "block-cursor-background", bold=True),
    "cursor-blurred": Ink(back="surface-lighten-2", bold=True),
}
_inks: dict[tuple[str, str], Style] = {}


def ink(widget: Widget, role: str) -> Style:
    """The style of a role under the theme in force; nothing for a role that is none."""
    app: App[object] = widget.app
    key = (app.theme, role)
    style = _inks.get(key)
    if style is None:
        style = _inks[key] = _mixed(app, ROLES[role]) if role in ROLES else Style()
    return style


def _mixed(app: App[object], wanted: Ink) -> Style:
    variables = app.theme_variables
    back = _color(variables, wanted.back, None)
    color = _color(variables, wanted.color, back)
    # The palette of an ANSI terminal has no shades: what would be one is dim, or turned round.
    ansi = app.native_ansi_color
    faint = True if ansi and wanted.color == "foreground-muted" else None
    turned = True if ansi and wanted.back in ("surface-lighten-2", "warning-muted", "warning") else None
    if ansi and (faint or turned or wanted.back == "surface"):
        color = back = None
    return Style(
        color=None if color is None else color.rich_color,
        bgcolor=None if back is None else back.rich_color,
        bold=wanted.bold,
        italic=wanted.italic,
        underline=wanted.underline,
        dim=faint,
        reverse=turned,
    )


def _color(variables: dict[str, str], name: str, back: Color | None) -> Color | None:
    if not name:
        return None
    words = variables.get(name, "")
    ground = back or Color.parse(variables["background"])
    if words.startswith("auto"):
        return ground.get_contrast_text(0.87)
    try:
        color = Color.parse(words)
    except ColorParseError:
        return None
    return color if color.a >= 1 or color.ansi is not None else ground.blend(color.with_alpha(1), color.a)
