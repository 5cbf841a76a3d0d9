"""Has each key do all that it does before the next one is looked at, however fast they come.

Textual hands a key to what has the focus at that moment, while the key before may still be on its way to the binding
that moves the focus: over a slow line, which delivers several at once, the `r` of `/err` would replay an invocation.
"""

from __future__ import annotations

import asyncio
from collections import deque

from textual import events
from textual.app import App, ScreenStackError
from textual.message_pump import MessagePump

_LONGEST_S = 0.5
"""A key that is not done by then, since it opened something that waits for an answer, holds no other up."""


class OneKeyAtATime(App[int]):
    """An application whose keys and pastes wait for each other."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        """Those that wait, after the one that is being handled."""

    async def on_event(self, event: events.Event) -> None:
        """A key or a paste when its turn comes, everything else at once."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if len(self._typed) == 1:
            await self._hand_on(event)

    async def _hand_on(self, event: events.Key | events.Paste) -> None:
        at = self._end_of_keys
        await super().on_event(event)
        loop = asyncio.get_running_loop()
        loop.call_later(_LONGEST_S, self._wait_no_longer, event)
        loop.call_later(2 * _LONGEST_S, self.call_later, self._is_done, event)
        self._follow(event, at, 2)

    def _wait_no_longer(self, event: events.Key | events.Paste) -> None:
        if self._typed and self._typed[0] is event:  # what it opened meanwhile comes first
            self._follow(event, self._end_of_keys, 1)

    @property
    def _end_of_keys(self) -> MessagePump:
        try:
            return self.focused or self.screen
        except ScreenStackError:
            return self

    def _follow(self, event: events.Key | events.Paste, at: MessagePump, rounds: int) -> None:
        """Behind the key through the queue of everything that it passes on its way up to the application.

        Then behind what it caused (what was entered, a dialog that opened) from where the focus is then.
        """
        above = at._parent
        if at is not self and above is not None and at.call_later(self._follow, event, above, rounds):
            return
        if rounds > 1:  # the focus is moved by another call of the application
            self.call_later(self.call_later, lambda: self._follow(event, self._end_of_keys, rounds - 1))
        else:
            self.call_later(self._is_done, event)

    async def _is_done(self, event: events.Key | events.Paste) -> None:
        if self._typed and self._typed[0] is event:
            self._typed.popleft()
            if self._typed:
                await self._hand_on(self._typed[0])
