"""What the template says by now against what is deployed, as people are told of it."""

from __future__ import annotations

from livetui.config import Settings
from livetui.errors import LivetuiError, UsageError
from livetui.session.events import Notice, StackProgress
from livetui.session.hub import Hub
from livetui.stack import difference, template
from livetui.stack.changeset import STACK_TYPE


class TemplateEdits:
    """Compares the saved template with the deployed one; what differs stays on screen until it is deployed."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self.deployed: template.Application | None = None
        self._differs = False
        """Whether people were told that the template is another one than what is deployed."""

    def went_live(self, application: template.Application | None) -> None:
        """This is what is deployed now."""
        self.deployed, self._differs = application, False

    def look(self) -> bool:
        """Say what the template would change; True when it is to be deployed at once. Blocks for as long as it loads.

        Raises `LivetuiError` when it cannot be loaded, which is told already.
        """
        if self.deployed is None:
            return False
        try:
            changes = difference.changes(self.deployed, template.load(self._settings))
        except LivetuiError as error:
            self._differs = True
            self._hub.publish(Notice("error", str(error), lasting="✗ template broken"))
            raise
        if changes and self._settings.redeploy == "always":
            return True
        if changes:
            shown = "; ".join(str(change) for change in changes[:5])
            more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
            self._hub.publish(Notice("info", f"The template changed: {shown}{more}. D deploys it.",
                                     lasting="template changed, D deploys it"))
        elif self._differs:
            self._hub.publish(Notice("info", "The template is again as it was deployed.", lasting=""))
        self._differs = bool(changes)
        return False

    def failed(self, stack: str, error: LivetuiError) -> None:
        """Its deployment failed: say why, once in passing and once among the steps."""
        self._differs = True
        reason = error.what if isinstance(error, UsageError) else error.why or error.what
        self._hub.publish(StackProgress("deploy", stack, "failed", STACK_TYPE, " ".join(reason.split())))
        self._hub.publish(Notice("error", f"The deployment failed; what was live stays live. {error}",
                                 lasting="✗ not deployed"))
