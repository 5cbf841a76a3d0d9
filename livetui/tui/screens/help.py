"""Explains the focused pane: what it shows, and every key that works in it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget

from livetui.tui.documents import Document, heading, of_lines
from livetui.tui.keys import HELP_PANE_KEYS, HELP_SCREEN_KEYS, MOVE_KEYS
from livetui.tui.text import Line, line
from livetui.tui.widgets.lines import LinesPane

MOVES = [*(key.id or "" for key in MOVE_KEYS), "left", "right"]
ABOUT: dict[str, tuple[str, ...]] = {
    "list": (
        "Invocations",
        "Every call of a live function is a row; a replay is a new row, its origin stays as it was.",
        "The list follows the newest row until you move away; F follows again, space holds it still.",
        "… queued   ▶ running   ‖ paused at a breakpoint   ✓ ok   ✗ error or timeout",
        "○ offline: nobody was there   ~ late: the caller had gone   ✗ cut off: the console ended first",
        "● pinned   ◆ marked   ✎ has a note   ↻ a replay   ms in the handler   +ms on the way",
    ),
    "pane": (
        "Details",
        "What came in, what went out, and what happened between. 1 to 8 choose a tab.",
        "Enter folds an object or opens a source line in $EDITOR; y copies the value under the cursor.",
        "Secrets are masked until you press u. Below an event, base64, gzip and form bodies are opened.",
    ),
    "filter": (
        "Filter",
        "Words are searched in function, trigger, error and note. Fields narrow it down:",
        "fn:Get*   state:error,timeout   trigger:sqs   ms:>100   bytes:>10kb   id:10..20   #12",
        "fn:Get*,Pay* either of them   !fn:Notify* not those   \"two words\"   /a regular expression/",
        "is:failed   is:running   is:marked   is:noted   is:pinned   is:replay   is:cold",
    ),
    "steps": (
        "Start-up steps",
        "What bootstrap and deployment did, resource by resource; the root cause first if one failed.",
    ),
    "functions-pane": (
        "Functions",
        "Which handlers run here, with which interpreter, and what became of their last reload.",
    ),
    "stack-pane": ("Stack", "Outputs and resources of the deployed stack."),
    "logs-pane": (
        "Logs",
        "stdout, stderr and logging of all handlers as they are written; the newest 20,000 lines.",
        "Enter on a line goes to the invocation that wrote it; / shows only lines with some words.",
    ),
    "link-pane": ("Link", "The MQTT connection between the stubs in the cloud and this console."),
    "source-pane": (
        "Source",
        "● breakpoint   ◆ with a condition   ✎ log point   ○ disabled   ▶ here it stands",
        "A click on the gutter sets or removes a breakpoint. Editors that are attached see the same ones.",
    ),
    "points": (
        "Breakpoints",
        "All breakpoints of the project: where, when they stop or what they write, and who set them.",
        "● breakpoint   ◆ with a condition   ✎ log point   ○ disabled. Enter shows the line in the source.",
    ),
    "frames": (
        "Frames",
        "Where the paused call stands, innermost first; then its other threads and the other paused calls.",
        "Enter shows a frame's line and variables, or turns to another call.",
    ),
    "variables": (
        "Variables",
        "Watch expressions (◇), then what the frame knows. Enter opens a value; = gives it another one.",
        "Secrets are masked until you press u.",
    ),
    "answers": ("Evaluate", "What your expressions gave, newest last. Tab goes back to the line to type in."),
    "expression": (
        "Evaluate",
        "An expression or a statement, such as name = value, is run in the frame that is looked at.",
    ),
}


def key_lines(app: App[int], bindings: dict[str, ActiveBinding]) -> list[Line]:
    """The keys that work now, in the order in which they are bound; one line for all keys of an action."""
    keys: dict[str, list[str]] = {}
    known: dict[str, ActiveBinding] = {}
    for active in bindings.values():
        binding = active.binding
        if binding.system or not binding.description or binding.id is None:
            continue
        keys.setdefault(binding.id, []).append(app.get_key_display(binding))
        known[binding.id] = active
    tabs = [id for id in keys if id.startswith("tab-")]
    for id in tabs[1:]:
        del keys[id]
    moves = [key for id in MOVES if id in keys for key in keys.pop(id)]
    width = max((len(known[id].binding.description) for id in keys), default=0) + 2
    lines: list[Line] = []
    for id, pressed in keys.items():
        binding = known[id].binding
        shown, words, label = " ".join(pressed), binding.tooltip or binding.description, binding.description
        if id.startswith("tab-"):
            shown, label, words = "1…8", "Tabs", "Choose a tab of the details"
        lines.append(((f"  {shown:<12} ", "key"), (label.ljust(width), "title"), (words, "dim")))
    if moves:
        lines.append(((f"  {'':<12} ", "key"), ("Moving".ljust(width), "title"), ("  ".join(moves), "key")))
    return lines


def help_document(app: App[int], focused: Widget | None, bindings: dict[str, ActiveBinding]) -> Document:
    """Words about the pane, then its keys."""
    title, *words = ABOUT.get(
        (focused.id or "") if focused is not None else "", ("livetui", "Live Lambda development.")
    )
    lines: list[Line] = [heading(title), *[line(each) for each in words], ((" ", ""),), heading("Keys")]
    lines += key_lines(app, bindings)
    lines += [
        ((" ", ""),),
        line('Rebind any of them in livetui.toml: [keys] replay = "f3" (see docs/console.md for the ids).', "dim"),
    ]
    return of_lines(lines, wrap=True, hang=12)


class HelpScreen(ModalScreen[None]):
    """The help of one pane."""

    BINDINGS: ClassVar[list[BindingType]] = [*HELP_SCREEN_KEYS]

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document

    def compose(self) -> ComposeResult:
        """One pane of text."""
        with Vertical(id="dialog", classes="-text"):
            yield HelpPane(id="help-pane")

    def on_mount(self) -> None:
        """Show it."""
        dialog = self.query_one("#dialog")
        dialog.border_title, dialog.border_subtitle = "Help", "esc closes"
        pane = self.query_one("#help-pane", LinesPane)
        pane.show(self._document)
        pane.focus()


class HelpPane(LinesPane, inherit_bindings=False):
    """Text that only scrolls, so that `?` and `q` close the help."""

    BINDINGS: ClassVar[list[BindingType]] = [*HELP_PANE_KEYS]
