"""Every key of the console, by pane. Users rebind them by `id` in `[keys]`; help, footer and palette read them here."""

from __future__ import annotations

from textual.binding import Binding


def bind(id: str, keys: str, action: str, label: str, tooltip: str, show: bool = False) -> Binding:
    """A binding with all that the footer, the help and the user's key map need."""
    return Binding(keys, action, label, show=show, id=id, tooltip=tooltip)


APP_KEYS = [
    Binding("ctrl+q", "quit", "Quit", show=False, priority=True, id="quit-always", tooltip="Leave livetui"),
    bind("help-always", "f1", "app.explain", "Help", "Explain the focused pane and its keys"),
]

VIEW_KEYS = [
    bind("view-invocations", "f2", "screen.view('invocations')", "Invocations", "The invocations and their details"),
    bind(
        "view-functions",
        "f3",
        "screen.view('functions')",
        "Functions",
        "Handlers, interpreters, reloads and last errors",
    ),
    bind("view-stack", "f4", "screen.view('stack')", "Stack", "Outputs, resources and what was deployed"),
    bind("view-logs", "f6", "screen.view('logs')", "Logs", "What all handlers write, as it comes"),
    bind("view-link", "f9", "screen.view('link')", "Link", "The connection to the cloud and what it costs"),
    bind("view-source", "f12", "screen.view('source')", "Source", "Source and breakpoints"),
]

SESSION_KEYS = [
    bind("redeploy", "D", "screen.redeploy", "Deploy again", "Deploy the template as it is now"),
    bind("take-over", "T", "screen.take_over", "Take over", "Take the stage from the console that holds it"),
    bind("copy-endpoint", "U", "screen.copy_endpoint", "Copy endpoint", "Copy the address of the API"),
    bind("sessions", "P", "screen.sessions", "Earlier sessions", "Show the invocations of an earlier session"),
    bind("theme", "ctrl+t", "app.change_theme", "Theme", "Choose the colours"),
]

MOVE_KEYS = [
    bind("down", "down,j", "down", "Down", "One line down"),
    bind("up", "up,k", "up", "Up", "One line up"),
    bind("top", "home,g", "top", "Top", "To the first line"),
    bind("bottom", "end,G", "bottom", "Bottom", "To the last line"),
    bind("half-down", "ctrl+d", "half_down", "Half a page down", "Half a page down"),
    bind("half-up", "ctrl+u", "half_up", "Half a page up", "Half a page up"),
    bind("page-down", "pagedown,ctrl+f", "page_down", "Page down", "One page down"),
    bind("page-up", "pageup,ctrl+b", "page_up", "Page up", "One page up"),
]

COMMON_KEYS = [
    bind("quit", "q", "app.quit", "Quit", "Leave livetui; a second time: at once"),
    bind("quit-parked", "Q", "app.quit_parked", "Park and quit", "Leave; queues, rules and schedules wait for you"),
    bind("maximise", "plus", "screen.maximise", "Maximise", "Give the focused pane the whole screen, or give it back"),
    *SESSION_KEYS,
    bind("steps", "d", "screen.toggle_steps", "Start-up steps", "Show or hide the steps of bootstrap and deployment"),
]

HELP_KEY = bind("help", "question_mark", "app.explain", "Help", "Explain the focused pane and its keys", True)
BACK_KEY = bind("back", "escape", "screen.back", "Back", "Back to where you came from; never quits")
SHOWN_BACK_KEY = bind("back", "escape", "screen.back", "Back", "Back to the invocations", True)

INVOCATION_KEYS = [
    bind("replay", "r", "screen.replay", "Replay", "Run this event again as a new row", True),
    bind(
        "replay-debugged",
        "B",
        "screen.replay_debugged",
        "Replay under the debugger",
        "Run this event again and stop where the handler's error is raised",
    ),
    bind("edit", "e", "screen.edit", "Edit", "Change the event, see the difference, run it as a new row", True),
    bind("breakpoints", "b", "screen.source", "Breakpoints", "Open the handler's source and its breakpoints", True),
]

RECORD_KEYS = [
    bind("export", "x", "screen.export", "Export", "As JSON, SAM event, curl, aws lambda invoke or pytest", True),
    HELP_KEY,
    bind("replay-times", "R", "screen.replay_times", "Replay N times", "Run this event several times"),
    bind("replay-marked", "ctrl+r", "screen.replay_marked", "Replay marked", "Run all marked events of the list again"),
    bind("mark", "m", "screen.mark", "Mark", "Mark or unmark this invocation"),
    bind("mark-all", "M", "screen.mark_all", "Mark all", "Mark all rows that the filter shows, or unmark them"),
    bind("note", "a", "screen.note", "Note", "Write a note on this invocation"),
    bind("pin", "p", "screen.pin", "Pin", "Run this event again at each reload of its function"),
    bind("causes", "t", "screen.causes", "Causes", "The invocations that caused one another, as a tree"),
    bind("unmask", "u", "screen.unmask", "Unmask", "Show or mask secrets"),
    bind("sample", "i", "screen.sample", "Invoke", "Send a sample or an event of your own to a function"),
    *[bind(f"tab-{n}", str(n), f"screen.tab({n})", f"Tab {n}", f"Show tab {n} of the details") for n in range(1, 9)],
]

LIST_KEYS = [
    *MOVE_KEYS,
    *INVOCATION_KEYS,
    bind(
        "filter", "slash", "screen.filter", "Filter", "Show only some rows: fn:Get* state:error ms:>100 is:marked", True
    ),
    bind("copy", "y", "copy", "Copy", "Copy the event of this row, its secrets masked until u", True),
    *RECORD_KEYS,
    bind("open", "enter", "open", "Open", "Go to the details of this row"),
    bind("follow", "F", "follow", "Follow", "Keep the cursor on the newest row"),
    bind("freeze", "space", "freeze", "Freeze", "Hold the list still while calls go on"),
    bind("sort", "s", "sort", "Sort", "Sort by the next column"),
    bind("sort-reverse", "S", "sort_reverse", "Reverse", "Turn the order round"),
    *COMMON_KEYS,
    BACK_KEY,
]

READ_KEYS = [
    bind("search", "slash", "screen.search", "Search", "Find text in this pane", True),
    bind("copy", "y", "copy", "Copy", "Copy the value under the cursor", True),
    bind("open", "enter", "open", "Fold or open", "Fold or unfold this object; open this source line"),
    bind("fold-all", "z", "fold_all", "Fold all", "Fold or unfold everything"),
    bind("copy-path", "Y", "copy_path", "Copy path", "Copy the path of this line, such as .headers.accept"),
    bind("copy-all", "C", "copy_all", "Copy all", "Copy the whole pane as shown"),
    bind("pager", "o", "screen.pager", "Pager", "Open the whole text in $PAGER"),
    bind("wrap", "w", "wrap", "Wrap", "Wrap long lines, or scroll sideways"),
    bind("next-hit", "n", "next_hit", "Next hit", "To the next line found"),
    bind("previous-hit", "N", "previous_hit", "Previous hit", "To the line found before"),
    bind("left", "left,h", "left", "Left", "Scroll to the left"),
    bind("right", "right,l", "right", "Right", "Scroll to the right"),
]

TEXT_KEYS = [*MOVE_KEYS, *READ_KEYS, SHOWN_BACK_KEY, HELP_KEY, *COMMON_KEYS]
"""Of a pane that only shows text."""

DETAIL_KEYS = [*MOVE_KEYS, *INVOCATION_KEYS, *READ_KEYS, *RECORD_KEYS, *COMMON_KEYS, BACK_KEY]
"""Of the details of an invocation."""

RUN_KEYS = [
    bind("continue", "f5", "screen.resume", "Continue", "Let the paused call run on", True),
    bind("continue-all", "ctrl+f5", "screen.resume_all", "Continue all", "Let every paused call run on"),
    bind("step-over", "f10", "screen.step('over')", "Over", "To the next line", True),
    bind("step-into", "f7,f11,s", "screen.step('into')", "Into", "Into the call", True),
    bind("step-out", "f8,shift+f11,r", "screen.step('out')", "Out", "Until the function returns", True),
]
ANSWER_KEY = bind(
    "answer-now",
    "A",
    "screen.answer_now",
    "Answer caller now",
    "Give the caller a typed error now; the handler runs on and ends as late",
    True,
)
_WATCH = ("W", "screen.watch", "Watch")
_WATCH_TIP = "Watch an expression at every stop; on one: change it"
_DEADLINE_KEY = bind(
    "at-deadline", "t", "screen.at_deadline", "At Lambda's deadline", "Choose what happens to a paused call then"
)
_POINTS = [
    bind("toggle", "b", "screen.toggle_point", "Breakpoint", "Set or remove a breakpoint on this line", True),
    ANSWER_KEY,
    SHOWN_BACK_KEY,
    bind("condition", "c", "screen.point('condition')", "Condition", "Stop only when an expression is true", True),
    bind("hit-count", "H", "screen.point('hit')", "Hit count", "Stop only at some hits: 5, >=3, %10"),
    bind("log-point", "L", "screen.point('log')", "Log point", "Write a message instead of stopping: order {order}"),
    bind("enable", "space", "screen.enable_point", "Enable", "Disable or enable this breakpoint"),
    _DEADLINE_KEY,
    bind("exceptions", "E", "screen.exceptions", "Stop on errors", "Stop where a handler raises"),
    bind("handler-file", "O", "screen.choose_source", "Open file", "Show another handler, or any file", True),
    Binding(*_WATCH, show=False, id="watch", tooltip=_WATCH_TIP),
    bind("external-editor", "e", "screen.edit_source", "Editor", "Open this line in $EDITOR"),
    bind("vscode", "V", "screen.vscode", "VS Code", "Write the entry by which VS Code attaches into launch.json"),
]
_HELP_AND_MORE = [
    bind("help", "question_mark", "app.explain", "Help", "Explain the focused pane and its keys"),
    *COMMON_KEYS,
]
_SEARCH_KEYS = [
    Binding(key.key, key.action, key.description, show=False, id=key.id, tooltip=key.tooltip)
    for key in READ_KEYS
    if key.id not in ("open", "fold-all", "copy-path")
]
_PDB_KEY = bind("step-over-pdb", "n", "screen.step('over')", "Over", "To the next line, unless a search has hits")
DEBUGGER_KEYS = [*RUN_KEYS, *_POINTS]
"""What the palette offers of the debugger wherever the focus is."""
SOURCE_KEYS = [
    *MOVE_KEYS,
    *RUN_KEYS,
    *_POINTS,
    bind("run-to", "ctrl+f10", "screen.run_to", "Run to here", "Let the paused call run to this line"),
    *_SEARCH_KEYS,
    _PDB_KEY,
    *_HELP_AND_MORE,
]
POINT_KEYS = [
    *MOVE_KEYS,
    *RUN_KEYS,
    *_POINTS,
    bind("open", "enter", "open", "Go there", "Show this line of the source"),
    _PDB_KEY,
    *_HELP_AND_MORE,
]
FRAME_KEYS = [
    *MOVE_KEYS,
    *RUN_KEYS,
    ANSWER_KEY,
    SHOWN_BACK_KEY,
    _DEADLINE_KEY,
    bind("open", "enter", "open", "Look", "Show this frame's line and variables"),
    _PDB_KEY,
    *_HELP_AND_MORE,
]
VARIABLE_KEYS = [
    *MOVE_KEYS,
    *RUN_KEYS,
    ANSWER_KEY,
    SHOWN_BACK_KEY,
    _DEADLINE_KEY,
    bind("open", "enter", "open", "Open", "Open or close this value"),
    Binding(*_WATCH, id="watch", tooltip=_WATCH_TIP),
    bind("set-variable", "equals_sign", "screen.set_variable", "Set", "Give this variable another value", True),
    bind("unmask", "u", "unmask", "Unmask", "Show or mask secrets"),
    *_SEARCH_KEYS,
    _PDB_KEY,
    *_HELP_AND_MORE,
]

ASK_KEYS = [bind("ask-back", "escape", "dismiss(None)", "Cancel", "Close without an answer", True)]
CHOOSE_KEYS = [
    bind("choose-back", "escape", "dismiss(None)", "Cancel", "Close without a choice", True),
    bind("choose-down", "down,j", "down", "Down", "One line down"),
    bind("choose-up", "up,k", "up", "Up", "One line up"),
]
NARROW_KEYS = [
    bind("narrow-down", "down", "screen.down", "Down", "One choice down, while one types"),
    bind("narrow-up", "up", "screen.up", "Up", "One choice up, while one types"),
]
COMPLETE_KEYS = [bind("complete", "tab", "cursor_right", "Complete", "Take what is suggested")]
EDIT_KEYS = [
    bind("edit-run", "ctrl+s", "run", "Run it", "Run the event as it is now", True),
    # A text area would take it for the end of the line.
    Binding("ctrl+e", "external", "$EDITOR", id="edit-external", tooltip="Edit it in your own editor", priority=True),
    bind("edit-revert", "ctrl+r", "revert", "Revert", "Back to the original", True),
    bind("edit-back", "escape", "cancel", "Cancel", "Close without running", True),
]
EDITOR_KEYS = [
    bind("edit-start", "ctrl+home", "to(False)", "Start", "To the start of the event"),
    bind("edit-end", "ctrl+end", "to(True)", "End", "To the end of the event"),
]
HELP_SCREEN_KEYS = [bind("help-close", "escape,question_mark,f1,q", "dismiss(None)", "Close", "Close the help", True)]
HELP_PANE_KEYS = [
    bind("down", "down,j", "down", "Down", "One line down"),
    bind("up", "up,k", "up", "Up", "One line up"),
    bind("page-down", "pagedown,space", "page_down", "Page down", "One page down"),
    bind("page-up", "pageup", "page_up", "Page up", "One page up"),
]
QUIT_KEYS = [
    bind("leave-parked", "p", "dismiss('park')", "Park and leave", "Switch the sources off, then leave", True),
    bind("leave", "q", "dismiss('leave')", "Leave", "Leave everything on", True),
    bind("leave-not", "escape", "dismiss(None)", "Stay", "Close this and stay", True),
]
FAILURE_KEYS = [
    bind("failure-quit", "q", "dismiss('quit')", "Quit", "Leave livetui", True),
    bind("failure-retry", "r,D,enter", "dismiss('retry')", "Try again", "Start again", True),
    bind("failure-take-over", "T", "take_over", "Take over", "Take the stage from the console that holds it", True),
    bind("failure-copy", "y", "copy", "Copy", "Copy all of it", True),
    bind("failure-back", "escape", "dismiss('stay')", "Look around", "Close this and stay", True),
]
DIALOG_KEYS = [
    *ASK_KEYS,
    *CHOOSE_KEYS,
    *NARROW_KEYS,
    *COMPLETE_KEYS,
    *EDIT_KEYS,
    *EDITOR_KEYS,
    *HELP_SCREEN_KEYS,
    *QUIT_KEYS,
    *FAILURE_KEYS,
]

BINDING_IDS: frozenset[str] = frozenset(
    binding.id
    for binding in [
        *APP_KEYS,
        *VIEW_KEYS,
        *LIST_KEYS,
        *TEXT_KEYS,
        *DETAIL_KEYS,
        *SOURCE_KEYS,
        *POINT_KEYS,
        *FRAME_KEYS,
        *VARIABLE_KEYS,
        *DIALOG_KEYS,
    ]
    if binding.id
)
"""Every id that `[keys]` may name."""
