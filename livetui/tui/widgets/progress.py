"""The steps of the start: a list while it happens, one line once calls arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from textwrap import wrap

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from livetui.session.events import SessionFailed, SessionLive, StackProgress
from livetui.tui import text
from livetui.tui.documents import Document, of_lines
from livetui.tui.text import Line
from livetui.tui.widgets.header import endpoint_of, is_whole
from livetui.tui.widgets.lines import LinesPane
from livetui.tui.widgets.view_bar import ViewBar

_PHASES = {
    "cloud": "local cloud",
    "bootstrap": "bootstrap",
    "package": "package",
    "deploy": "deploy",
    "remove": "remove",
    "connect": "connect",
}

_REASON_WIDTH = 72
"""Cells in which a reason is readable in whole, also at 80 columns."""
_DOING = {
    "cloud": "starting the local cloud, an AWS emulator on this machine",
    "bootstrap": "preparing the account: the bootstrap stack",
    "package": "packing the stub that stands in for your functions",
    "deploy": "deploying your stack with live functions",
    "remove": "removing the live stack",
    "connect": "connecting to the stubs",
}


def outcome(step: StackProgress) -> str:
    """`done`, `failed` or `going`, whether the step is CloudFormation's or our own."""
    status = step.status.upper()
    if "FAILED" in status or "ROLLBACK" in status:
        return "failed"
    return "done" if status.endswith("COMPLETE") or status in ("DONE", "SKIPPED") else "going"


def is_not_deployed(step: StackProgress) -> bool:
    """Whether it is the last word on a deployment that failed."""
    return (step.phase, step.type, step.status) == ("deploy", "AWS::CloudFormation::Stack", "failed")


def _failed_deployment(steps: Sequence[StackProgress]) -> StackProgress | None:
    """The deployment that failed, unless another was begun since."""
    last = next((step for step in reversed(steps) if step.phase == "deploy"), None)
    return last if last is not None and is_not_deployed(last) else None


def root_cause(steps: Sequence[StackProgress]) -> StackProgress | None:
    """The step that failed first for a reason of its own, not because another one did."""
    failed = [step for step in steps if outcome(step) == "failed" and step.reason]
    return next((step for step in failed if "cancelled" not in step.reason.lower()), failed[0] if failed else None)


def latest(steps: Sequence[StackProgress]) -> list[StackProgress]:
    """The last word on each resource, in the order in which they were begun: anew by another deployment."""
    last: dict[tuple[str, str], StackProgress] = {}
    for step in steps:
        key = (step.phase, step.resource)
        if key in last and outcome(last[key]) != "going":
            del last[key]
        last[key] = step
    return list(last.values())


def step_line(step: StackProgress) -> Line:
    """One step: glyph, phase, resource, type, status, time, reason."""
    glyph, role = {"failed": ("✗", "error"), "done": ("✓", "ok"), "going": ("…", "warn")}[outcome(step)]
    kind, phase = step.type.removeprefix("AWS::"), _PHASES.get(step.phase, step.phase)
    elapsed = text.seconds(step.elapsed_s) if step.elapsed_s else ""
    words = (
        text.line(step.reason, "error" if role == "error" else "dim") if step.reason else ((text.safe(kind), "dim"),)
    )
    return (
        (f"{glyph} ", role),
        (f"{phase:<12}", "dim"),
        (text.fit("" if step.resource == phase else text.safe(step.resource), 24) + " ", ""),
        (text.fit(text.safe(step.status.replace("_", " ").lower()), 18) + " ", role),
        (f"{elapsed:>6}  ", "dim"),
        *words,
    )


def steps_document(steps: Sequence[StackProgress], live: bool = False) -> Document:
    """All steps; the root cause first when the start failed. A later deployment that fails ends with its reason."""
    lines = [step_line(step) for step in latest(steps)]
    cause = None if live else root_cause(steps)
    undeployed = _failed_deployment(steps) if live else None
    if undeployed is not None:
        lines += [(("  ", ""), *text.line(words, "error")) for words in wrap(undeployed.reason, _REASON_WIDTH)]
    if cause is not None:
        lines.insert(
            0, (("✗ ", "error"), (text.safe(cause.resource), "title"), (": ", ""), *text.line(cause.reason, "error"))
        )
    long = any(outcome(step) == "failed" for step in steps)  # a reason is read to its end, a type of resource need not
    return of_lines(lines or [text.line("Reading the template and the settings …", "dim")], wrap=long)


def summary(
    steps: Sequence[StackProgress], live: SessionLive | None, failed: SessionFailed | None, room: int = 1_000
) -> Content:
    """The whole start in one line of `room` cells."""
    if failed is not None:
        return Content.assemble((" ✗ ", "$text-error"), text.safe(failed.what)[:200])
    if live is not None:
        undeployed = _failed_deployment(steps)
        if undeployed is not None:
            return Content.assemble((" ✗ ", "$text-error"), text.safe(f"not deployed: {undeployed.reason}")[:300])
        return _live_summary(live, room)
    newest = latest(steps)
    if not newest:
        return Content.assemble((" … ", "$text-warning"), "reading the template and the settings")
    phase = newest[-1].phase
    of_phase = [step for step in newest if step.phase == phase]
    done = sum(outcome(step) == "done" for step in of_phase)
    cause = root_cause(steps)
    if cause is not None:
        return Content.assemble((" ✗ ", "$text-error"), text.safe(f"{cause.resource}: {cause.reason}")[:300])
    count = f" · {done} of {len(of_phase)}" if len(of_phase) > 1 else ""
    doing = _DOING.get(phase, phase)
    if phase == "package" and newest[-1].resource.startswith("environment"):  # which may take a minute
        doing = f"making the {text.safe(newest[-1].resource)}"
    return Content.assemble((" … ", "$text-warning"), f"{doing}{count}")


def _live_summary(live: SessionLive, room: int) -> Content:
    deployed = f"deployed {len(live.resources)} resources in {live.deploy_s:.0f} s"
    what = deployed if live.changed else "unchanged, not deployed"
    on = sum(function.live and not function.broken for function in live.functions.values())
    off = [function for function in live.functions.values() if not function.live or function.broken]
    said = Content.assemble((" ✓ ", "$text-success"), f"{what}   {on} function{'' if on == 1 else 's'} live")
    warned = sum(len(function.warnings) for function in live.functions.values())
    warnings = f", {warned} warning{'' if warned == 1 else 's'} (f3)" if warned else ""
    if off:
        why = {f"no {each.lacks}" if each.broken else each.reason or "not chosen" for each in off}
        reasons = text.safe(", ".join(sorted(why)))[:60]
        short, full = f", {len(off)} not", f", {len(off)} not ({reasons})"
        said += Content(full if said.cell_length + cell_len(full + warnings) <= room else short)
    if warnings:
        said += Content.assemble((warnings, "$text-warning"))
    return said


def waiting_words(live: SessionLive | None, failed: SessionFailed | None) -> tuple[str, ...]:
    """What an empty list of invocations says: what is going on, or how to make the first call."""
    if failed is not None:
        return ("The session does not run, so no calls come in.", "", "d shows what happened, D tries again.")
    if live is None:
        return ("Your functions become live; their calls will be listed here.",)
    if not any(function.live for function in live.functions.values()):
        return ("No function of this stack is live.", "", "f3 tells why.")
    address = endpoint_of(live)
    if address and not is_whole(address):
        address = f"{address.rstrip('/')}/…"
    return (
        "Waiting for the first call.",
        "",
        *((f"curl {text.safe(address)}", "U copies the address.") if address else ()),
        "i sends a sample event, or one of your own, to a function.",
        "f3 lists the functions, f4 what the stack gives out.",
    )


class Summary(Static):
    """The start in one line."""

    def __init__(self) -> None:
        super().__init__(id="summary", markup=False)
        self.words: Callable[[int], Content] = lambda room: Content("")

    def on_resize(self) -> None:
        """Say as much as fits."""
        self.update(self.words(self.size.width), layout=False)


class Progress(Vertical):
    """The line, and below it the steps while they matter."""

    def __init__(self) -> None:
        super().__init__()
        self._line = Summary()
        self.views = ViewBar()
        self.steps = LinesPane(id="steps")

    def compose(self) -> ComposeResult:
        """The line, with the other views beside it, above the steps."""
        with Horizontal(id="start"):
            yield self._line
            yield self.views
        yield self.steps

    @property
    def expanded(self) -> bool:
        """Whether the steps are shown."""
        return self.steps.display

    @expanded.setter
    def expanded(self, on: bool) -> None:
        self.steps.display = on
        self.set_class(on, "-expanded")
        if on:
            self.steps.move_to(len(self.steps) - 1)

    def show(self, steps: Sequence[StackProgress], live: SessionLive | None, failed: SessionFailed | None) -> None:
        """Write line and steps anew."""
        self._line.words = partial(summary, steps, live, failed)
        self.views.beside = self._line.words(0).cell_length + 2
        self._line.on_resize()
        document = steps_document(steps, live is not None)
        if failed is not None and live is None:  # it begins with why
            self.steps.show(document)
        else:
            self.steps.show(document, keep=True, at_end=len(self.steps) <= 1)

    def on_click(self, event: events.Click) -> None:
        """A click on the line shows or hides the steps."""
        if event.widget is self._line:
            self.expanded = not self.expanded
