"""The line of keys at the bottom of the screen."""

from __future__ import annotations

from textual.compose import compose
from textual.widgets import Footer


class KeysLine(Footer):
    """The keys that work now. Behind a dialog it stays as it was: Textual would ask the dialog which of them do."""

    async def recompose(self) -> None:
        """Made anew, unless a dialog is in front; one that opens meanwhile is not asked either."""
        if not self.is_attached or not self.screen.is_active:
            return
        keys = compose(self)
        async with self.batch():
            await self.remove_children()
            if self.is_attached:
                await self.mount_all(keys)
