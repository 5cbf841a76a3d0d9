"""The cloud a session stands on: AWS, or the project's local cloud: found, taken over from an engine, or started."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from livetui.aws import CloudAccess
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.session.events import Notice
from livetui.session.hub import Hub

if TYPE_CHECKING:
    from livetui.cloud import LocalCloud, RunningCloud


class Ground:
    """One of an engine. Without a local cloud it is AWS, which neither starts nor ends."""

    def __init__(self, settings: Settings, step: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self._settings = settings
        self._step = step
        self.local: LocalCloud | RunningCloud | None = None
        """The local cloud in use, whoever started it."""
        self.owned: LocalCloud | None = None
        self.inherited: LocalCloud | None = None
        """The local cloud of the engine that this one follows; this one then owns it."""
        self.hands_on = False
        """Whether the local cloud that this engine owns goes on for the next one."""
        self.started = False
        """Whether the local cloud is a new one, and so empty."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[CloudAccess]:
        """AWS, or the project's local cloud: the one that runs already, else one of our own."""
        settings = self._settings
        if not settings.local:
            yield CloudAccess(region=settings.region, profile=settings.profile)
            return
        from livetui.cloud import LocalCloud

        own = self.inherited
        if own is None:
            self.local = await asyncio.to_thread(LocalCloud.find, settings.state)
            if self.local is not None:
                yield self.local.access
                return
            own = await self._start()
        self.local = self.owned = own
        try:
            yield own.access
        finally:
            if not self.hands_on:
                await asyncio.to_thread(own.stop)

    async def _start(self) -> LocalCloud:
        from livetui.cloud import LocalCloud

        with self._step():
            starting = asyncio.create_task(asyncio.to_thread(LocalCloud.start, self._settings.state,
                                                             region=self._settings.region or "eu-west-1"))
            try:
                own = await asyncio.shield(starting)
            except asyncio.CancelledError:  # a thread cannot be cancelled: what it starts must still be stopped
                (await starting).stop()
                raise
        self.started = True
        return own

    async def give_up(self) -> None:
        """Stop what was inherited, when the engine ends before it begins."""
        if self.inherited is not None:
            await asyncio.to_thread(self.inherited.stop)

    async def has_ended(self) -> bool:
        """Whether the local cloud is gone for good."""
        return self.local is not None and await asyncio.to_thread(self.local.record.has_ended)

    def worker_environment(self) -> dict[str, str]:
        """What a local handler needs besides its function's environment to reach the local cloud."""
        return self.local.worker_environment() if self.local is not None else {}

    def public(self, outputs: Mapping[str, str]) -> dict[str, str]:
        """Outputs as people can use them: URLs of the local cloud become ones that curl and a browser can open."""
        if self.local is None:
            return dict(outputs)
        return {name: self.local.public_url(value) for name, value in outputs.items()}

    @contextlib.contextmanager
    def customer(self, access: CloudAccess, outputs: Mapping[str, str], hub: Hub) -> Iterator[None]:
        """The demo's customer uses the shop of these outputs meanwhile."""
        from livetui.cloud.traffic import Traffic

        traffic = Traffic(access, self.public(outputs), lambda text: hub.publish(Notice("warning", text))).start()
        try:
            yield
        finally:
            traffic.stop()


def ended() -> LivetuiError:
    """Why a session cannot go on when its local cloud is gone."""
    return LivetuiError("The local cloud has ended.",
                        "`livetui cloud stop` ended it, or its process died; its stacks and tables are gone.",
                        "D starts a new one in the console, as livetui does when it starts.")
