"""The engine: starts everything in order on its own thread and loop, keeps it running, ends it in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from livetui import config
from livetui.aws import Aws, Keys
from livetui.config import Settings, user_name
from livetui.errors import LivetuiError, in_one_line
from livetui.link.credentials import fetch_keys
from livetui.link.link import Link
from livetui.link.messages import Call, LinkConfig, LinkState
from livetui.link.owner import OwnerObject
from livetui.link.presence import announce_gone
from livetui.link.usage import LinkUsage
from livetui.runtime.contract import LaneStats
from livetui.runtime.pool import Pool
from livetui.session.background import Background
from livetui.session.debugging import Debugging
from livetui.session.dispatch import Dispatcher
from livetui.session.events import LinkChanged, Notice, SessionLive, StackProgress
from livetui.session.functions import Functions
from livetui.session.ground import Ground, ended
from livetui.session.hub import Hub
from livetui.session.invoking import Invoking
from livetui.session.store import Store
from livetui.session.template_edits import TemplateEdits
from livetui.session.variables import Variables
from livetui.stack import attach, attachment, bootstrap, deployment, drift, park, routes, template
from livetui.stack.contract import LiveFunction, LiveStack, Progress
from stub_runtime.topics import Topics

Step = Literal["cloud", "package", "connect"]
_DRIFT_EVERY_S = 60.0
"""How often to look whether something else deployed a live function."""
_DRAIN_S = 1.5
"""How long handlers that run when the session ends may take to answer their callers."""
_NOBODY = contextlib.nullcontext()
_R = TypeVar("_R")


class Engine:
    """One run of a session. `run()` returns when `stop()` was called or the start failed (then it raises)."""

    def __init__(self, settings: Settings, store: Store, hub: Hub, *, kind: str = "dev",
                 traffic: bool = False, serve: bool = True, seconds: float | None = None,
                 attach: tuple[str, ...] = (), console: bool = True) -> None:
        self.settings = settings
        self.store = store
        self.hub = hub
        self.kind = kind
        self.traffic = traffic
        self.serve = serve
        self.seconds = seconds
        self.attach = attach
        self.park = settings.park == "on-exit"
        """Whether the live stack's event sources are switched off when this run ends."""
        self.cancel = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.dispatcher = Dispatcher(store, hub, self._fetch_keys, settings.overrun,
                                     cloudwatch_logs=settings.cloudwatch_logs)
        self.debug = Debugging(settings, hub, self.dispatcher, console=console)
        self.dispatcher.debugger = self.debug
        self.invoking = Invoking(hub, self.cancel)
        self.aws: Aws | None = None
        self.stack: LiveStack | None = None
        self.ground = Ground(settings, lambda: self._step("cloud", "local cloud"))
        self.ready = False
        self._stopping = asyncio.Event()
        self._cut = asyncio.Event()
        """Set when the link is of no use any more: the stage has a new key, or the local cloud has ended."""
        self._cloud_ended = False
        self._bootstrap: bootstrap.Bootstrap | None = None
        self._pool: Pool | None = None
        self._link: Link | None = None
        self._redeploying = False
        self._parks_later = False
        """Whether the link is being opened anew, so that what is to be parked still is on."""
        self._switching = threading.Lock()
        """Held while event sources are parked or resumed."""
        self._changing = asyncio.Lock()
        """Held while what is live is compared, deployed or configured anew."""
        self._functions = Functions(
            settings, lambda name: self._step("package", name), lambda text: hub.publish(Notice("warning", text)),
            quiet=kind == "demo")
        self.dispatcher.prepare = Variables(
            self._has_other_variables, self._renew_variables, lambda work: self._background.create_task(work),  # noqa: PLW0108
            lambda text: hub.publish(Notice("warning", text))).prepare
        self._edits = TemplateEdits(settings, hub)

    async def run(self) -> None:
        """Start, serve, end. Raises `LivetuiError` when something could not be started."""
        self.loop = asyncio.get_running_loop()
        if self.cancel.is_set():
            await self.ground.give_up()
            return
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self.ready = False
        stopping.cancel()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    @property
    def can_park(self) -> bool:
        """Whether a live stack is there that is ours, not another console's, and does not end with this run."""
        ours = self._link is not None and not self._link.taken_over
        return self.ready and self.serve and not self.attach and self.ground.owned is None and ours

    def stop(self) -> None:
        """Ask the run to end; from any thread, at any stage."""
        self.cancel.set()
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself meanwhile
                self.loop.call_soon_threadsafe(self._stopping.set)

    # --- the start, step by step ----------------------------------------------------------------------------------

    async def _serve(self) -> None:
        application = await asyncio.to_thread(attach.application_of if self.attach else template.load, self.settings)
        if application is not None and not self.attach:
            await asyncio.to_thread(deployment.check, application, self.settings)
        async with self.ground.open() as access, Background(self.hub) as self._background:
            if self.kind == "replay" and self.ground.started:
                self.hub.publish(Notice("warning", "The local cloud is new for this replay: its tables and queues are "
                                        "empty. `livetui cloud run` keeps one."))
            aws = self.aws = await asyncio.to_thread(Aws, access)
            await self._deploy(aws, application)
            assert self.stack is not None
            async with self._open_pool(aws, self.stack) as pool:
                try:
                    while await self._serve_linked(aws, pool):
                        pass
                finally:
                    if self._parks_later and self.park and self._stopping.is_set():
                        await self._park(aws)

    async def _serve_linked(self, aws: Aws, pool: Pool) -> bool:
        """Serve until it is time to end; True when the stage has a new key, so that the link is to be opened anew.

        Raises `LivetuiError` when the local cloud has ended.
        """
        assert self.stack is not None
        self.ready = False
        self._cut.clear()
        async with self._open_link(aws, self.stack, pool), Background(self.hub) as around:
            self.ready = True
            if self._bootstrap is not None and self.serve:
                around.create_task(self._look_around(aws, self._bootstrap))
                around.create_task(self._look_for_environments())
            self._announce(aws, self.stack)
            with self.ground.customer(aws.access, self.stack.outputs, self.hub) if self.traffic else _NOBODY:
                try:
                    await asyncio.wait_for(self._cut.wait(), self.seconds)
                except TimeoutError:
                    return False
        if self._cloud_ended:
            raise ended()
        return True

    async def _deploy(self, aws: Aws, application: template.Application | None) -> None:
        started = self._bootstrap = await asyncio.to_thread(bootstrap.ensure, aws, self._progress, self.cancel,
                                                            self.settings.permissions_boundary, self.settings.tags)
        if self.serve and (self._link is None or self._link.taken_over):
            await self._ask_for_stage(aws, started.bucket)
        if self.attach:
            self.stack = await asyncio.to_thread(attach.attach, aws, started, self.settings, self.attach,
                                                 self._progress, application)
        else:
            assert application is not None
            self.stack = await asyncio.to_thread(
                lambda: deployment.deploy_live(application, aws, started, self.settings, self._progress, self.cancel,
                                               as_it_is=self.kind == "replay"))
        self._edits.went_live(application)
        if application is not None and self.settings.local and not self.attach:
            self._tell_of_routes(application)
        if self.stack.changed:
            await asyncio.to_thread(announce_gone, aws, self.stack.app, self.stack.stage, self.stack.signing_key)

    def _tell_of_routes(self, application: template.Application) -> None:
        """Name the routes that the local cloud cannot serve: it hands requests to functions and queues only."""
        for found in application.root.walk():
            for route, service in routes.to_services(found).items():
                if service != "sqs":
                    self.hub.publish(StackProgress("deploy", route, "skipped", reason=(
                        f"It leads to {service} itself, not to a function: the local cloud answers 500.")))

    @contextlib.asynccontextmanager
    async def _open_pool(self, aws: Aws, stack: LiveStack) -> AsyncIterator[Pool]:
        if self.serve:  # a replay beside a running console must not take its debugging port
            await self.debug.open()
        pool = self._pool = Pool(self.dispatcher, concurrency=self.settings.concurrency,
                                 debug=self.debug.broker if self.serve else None, on_trouble=self._tell_of_functions)
        self.debug.serve(pool)
        try:
            self.dispatcher.named_after(stack.name)
            if self.kind != "replay":
                config.remember(self.settings)
            self.store.begin_session(self.kind, app=stack.app, stage=stack.stage,
                                     account=await asyncio.to_thread(lambda: aws.account), region=aws.region,
                                     local=self.settings.local)
            await self._configure(pool, aws, stack)
            await pool.start_watching(self.settings.root, self._settings_saved)
            self._watch_settings(pool)
            yield pool
        finally:
            await pool.close()
            if self.serve:
                await self.debug.close()
            await self.dispatcher.close()

    async def _configure(self, pool: Pool, aws: Aws, stack: LiveStack) -> None:
        local = self.ground.worker_environment()
        specs = await asyncio.to_thread(self._functions.specs, aws, stack, local)
        if self.serve and not self.attach:
            for words in self._functions.unknown(stack):
                self.hub.publish(Notice("warning", words))
        pool.configure(specs)
        self._functions.are_configured()
        for spec in specs:
            own = {name: value for name, value in spec.environment.items() if name not in local}
            self.store.remember_function(spec.id, handler=spec.handler, code_root=spec.code_root, environment=own,
                                         layers=spec.layers)
        self._tell_of_functions()

    @contextlib.asynccontextmanager
    async def _open_link(self, aws: Aws, stack: LiveStack, pool: Pool) -> AsyncIterator[None]:
        if not self.serve:  # a replay from the command line needs no calls, and another console may hold the stage
            self.dispatcher.connect(pool, None)
            yield
            return
        link = self._link = self._link_to(aws, stack.bucket, stack.signing_key)
        self.dispatcher.connect(pool, link)
        with self._step("connect", "link"):
            await link.open()
        self.debug.announce()  # not before: a console that is refused the stage must not take the editors with it
        self._parks_later = False
        try:
            yield
        finally:
            # The sources of attached functions belong to a real deployment, those of a stage taken over to another.
            again = self.ground.hands_on or (self._cut.is_set() and not self._stopping.is_set())
            ours = not self.attach and not link.taken_over
            self._parks_later = ours and again and not self.ground.hands_on
            if self.park and ours and not again:
                await self._park(aws)
            try:
                await self.dispatcher.drain(_DRAIN_S)
            finally:
                await link.close()

    async def _ask_for_stage(self, aws: Aws, bucket: str) -> None:
        """Before anything of it is changed: another console may serve it. Raises `LinkHeld`."""
        owner = OwnerObject(aws, bucket, Topics(self.settings.app, self.settings.stage))
        if (self.settings.take_over and self._link is None) or (await asyncio.to_thread(owner.read)).free:
            return
        if (key := await asyncio.to_thread(deployment.known_key, aws, self.settings)) is not None:
            with self._step("connect", "who holds the stage"):
                await self._link_to(aws, bucket, key).ask()

    def _link_to(self, aws: Aws, bucket: str, key: bytes) -> Link:
        told = LinkConfig(app=self.settings.app, stage=self.settings.stage, bucket=bucket, signing_key=key,
                          owner=f"{user_name()}@{socket.gethostname()}", take_over=self.settings.take_over,
                          history=self.store.history)
        return Link(told, aws, on_call=self._called, on_cancel=self.dispatcher.cancelled, on_state=self._link_changed,
                    known=self.dispatcher.known)

    async def _park(self, aws: Aws) -> None:
        try:
            await asyncio.to_thread(self._switch, park.park, aws)
        except LivetuiError as error:
            self.hub.publish(Notice("error", str(error)))

    def _switch(self, switch: Callable[..., _R], aws: Aws) -> _R:
        """Park or resume; one waits for the other, also for one whose task has ended."""
        assert self._bootstrap is not None
        with self._switching:
            return switch(aws, self._bootstrap, self.settings, self._progress)

    # --- what people hear -----------------------------------------------------------------------------------------

    def _announce(self, aws: Aws, stack: LiveStack) -> None:
        link = self.hub.status().link
        self.hub.publish(SessionLive(
            app=stack.app, stage=stack.stage, account=aws.account, region=aws.region, local=self.settings.local,
            outputs=self.ground.public(stack.outputs), functions=self._functions.infos(stack, self._pool),
            link_ms=link.round_trip_ms if link else None, deploy_s=round(stack.seconds, 2), changed=stack.changed,
            bootstrap_version=str(self._bootstrap.version) if self._bootstrap else "", resources=stack.resources))

    def _tell_of_functions(self) -> None:
        if self.stack is not None:
            self.hub.tell_of(self._functions.infos(self.stack, self._pool))

    def _progress(self, step: Progress) -> None:
        self.hub.publish(StackProgress(step.phase, step.resource, step.status, step.type, step.reason,
                                       round(step.elapsed_s, 2)))

    @contextlib.contextmanager
    def _step(self, phase: Step, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.hub.publish(StackProgress(phase, name, "started"))
        try:
            yield
        except BaseException as error:
            took = round(time.monotonic() - began, 2)
            self.hub.publish(StackProgress(phase, name, "failed", reason=in_one_line(error), elapsed_s=took))
            raise
        self.hub.publish(StackProgress(phase, name, "done", elapsed_s=round(time.monotonic() - began, 2)))

    def _called(self, call: Call) -> None:
        self.invoking.came(call)
        self.dispatcher.call(call)

    def _link_changed(self, state: LinkState) -> None:
        trip = None if state.round_trip_ms is None else round(state.round_trip_ms, 1)
        self.hub.publish(LinkChanged(state.phase, trip, state.detail))
        if state.phase == "offline" and self.ground.local is not None:
            self._background.create_task(self._look_at_ground())

    async def _look_at_ground(self) -> None:
        if await self.ground.has_ended() and not self._cloud_ended:
            self._cloud_ended = True
            self.hub.publish(StackProgress("cloud", "local cloud", "failed", reason="It has ended."))
            self._cut.set()

    # --- what people ask for --------------------------------------------------------------------------------------

    def ask(self, action: Callable[[], None]) -> None:
        """Run an action on the engine's loop, from any thread. Raises `LivetuiError` when the session is not live."""
        if self.loop is None or not self.ready or self._stopping.is_set():
            raise LivetuiError("The session is not live.", hint="Wait until it is, or start livetui again.")
        self.loop.call_soon_threadsafe(self._carry_out, action)

    def _carry_out(self, action: Callable[[], None]) -> None:
        try:
            action()
        except LivetuiError as error:
            self.hub.publish(Notice("error", str(error)))

    def redeploy(self) -> None:
        """Read the template again and deploy what changed, while calls go on; on the engine's loop."""
        if not self._redeploying:
            self._redeploying = True
            self._background.create_task(self._redeploy())

    def _watch_settings(self, pool: Pool) -> None:
        """Watch the templates and env-files too that lie outside of the project or have names of their own."""
        application = self._edits.deployed
        templates = [found.document.path for found in application.root.walk()] if application is not None else []
        named = [self.settings.root / function.env_file for function in self.settings.functions.values()
                 if function.env_file]
        pool.watch_settings([*templates, *named])

    async def _settings_saved(self, paths: list[Path]) -> None:
        """A template, `.env` or settings file was saved: say what it would change, or deploy it, as configured."""
        if self.settings.root / "livetui.toml" in paths:
            self.hub.publish(Notice("info", "livetui.toml was saved: it counts when livetui starts anew."))
        async with self._changing:
            with contextlib.suppress(LivetuiError):  # a template that cannot be loaded was told of
                if not self.attach and await asyncio.to_thread(self._edits.look):
                    self.redeploy()
                else:  # `.env` and requirements count at once
                    await self._configure_anew()

    async def _configure_anew(self) -> bool:
        assert self.stack and self.aws and self._pool
        try:
            await self._configure(self._pool, self.aws, self.stack)
        except LivetuiError as error:
            self.hub.publish(Notice("error", str(error)))
            return False
        return True

    def _has_other_variables(self, function_id: str) -> bool:
        assert self.aws and self.stack
        function = self.stack.functions.get(function_id)
        return function is not None and self._functions.has_other_variables(self.aws, function)

    async def _renew_variables(self, function_id: str) -> bool:
        if self._redeploying:  # whose end does it
            return False
        async with self._changing:
            renewed = await self._configure_anew()
        if renewed:
            self.hub.publish(Notice("info", f"The variables of {function_id} changed in the cloud: they count now."))
        return renewed

    async def _look_for_environments(self) -> None:
        while True:  # somebody makes an environment, or removes one
            self.hub.publish(Notice("info", await self._functions.another_environment()))
            async with self._changing:
                await self._configure_anew()

    async def _look_around(self, aws: Aws, started: bootstrap.Bootstrap) -> None:
        """Once live: wake what was parked, tell of functions that an earlier session left attached, look for drift."""
        assert self.stack is not None
        if not self.attach:
            await self._resume(aws)
        try:
            mine = {function.name for function in self.stack.functions.values()}
            stale = [item.function for item in await asyncio.to_thread(attachment.attached, aws, started)
                     if item.owner == user_name() and item.function not in mine]
            if stale:
                self.hub.publish(Notice("warning", f"Still attached from an earlier session: {', '.join(stale[:5])}. "
                                        "`livetui restore` puts them back."))
        except LivetuiError as error:
            self.hub.publish(Notice("warning", f"What is attached could not be read: {error}"))
        await self._look_for_drift(aws)

    async def _resume(self, aws: Aws) -> None:
        try:
            resumed = await asyncio.to_thread(self._switch, park.resume, aws)
        except LivetuiError as error:
            self.hub.publish(Notice("error", str(error)))
        else:
            if resumed.words:
                self.hub.publish(Notice("warning" if resumed.gone else "info", resumed.words))

    async def _look_for_drift(self, aws: Aws) -> None:
        """Tell, once each, of functions that something else deployed: their calls no longer come."""
        told: set[str] = set()
        unread = False
        while self.stack is not None:
            live = drift.live_ones(self.stack.functions.values())
            found: dict[str, str] | None = None
            try:
                found = await asyncio.to_thread(drift.changed_elsewhere, aws, live)
                unread = False
            except LivetuiError as error:
                if not unread:
                    self.hub.publish(Notice("warning", "Whether something else changed the functions cannot be seen; "
                                            f"it is tried again every minute. {error}"))
                unread = True
            if found is not None and not self._redeploying:
                ids = set(live)
                if not self.attach and ids - told and all(found.get(id) == drift.DELETED for id in ids):
                    self.hub.publish(Notice("error", "The live stack was removed: no calls come. D deploys it again.",
                                            lasting="✗ stack removed, D deploys it"))
                    told |= ids
                for id in found.keys() - told:
                    again = f"livetui attach {self.stack.functions[id].name}" if self.attach else "livetui"
                    self.hub.publish(Notice("warning", f"{id} was changed by something else ({found[id]}): its calls "
                                            f"do not come here. To make it live again: {again}"))
                told = set(found)
            await asyncio.sleep(_DRIFT_EVERY_S)

    async def _redeploy(self) -> None:
        async with self._changing:
            await self._deploy_again()

    async def _deploy_again(self) -> None:
        assert self.aws is not None and self._pool is not None and self.stack is not None
        key = self.stack.signing_key
        try:
            try:
                await self._deploy(self.aws, await asyncio.to_thread(template.load, self.settings))
            except LivetuiError as error:
                self._edits.failed(self.stack.name, error)
                return
            await self._configure_anew()
            self._watch_settings(self._pool)
            if self.stack.signing_key != key:  # the stage was removed meanwhile, with its key
                self._cut.set()
            else:
                self._announce(self.aws, self.stack)
        finally:
            self._redeploying = False

    def workers(self) -> dict[str, LaneStats]:
        """Workers, queue and way of starting of each function."""
        return self._pool.stats() if self._pool is not None else {}

    def usage(self) -> LinkUsage:
        """What went over the link so far."""
        return self._link.usage if self._link is not None else LinkUsage()

    def function(self, id: str) -> LiveFunction:
        """A live function by its logical id or physical name. Raises `LivetuiError` that lists those there are."""
        functions = self.stack.functions.values() if self.stack else ()
        for function in functions:
            if id in (function.id, function.name):
                return function
        raise LivetuiError(f"There is no function {id!r} in the live stack.",
                           hint="Functions: " + ", ".join(function.id for function in functions))

    def _fetch_keys(self, function_id: str) -> Keys:
        assert self.aws is not None and self.stack is not None
        function = self.function(function_id)
        return fetch_keys(self.aws, self.stack.app, self.stack.stage, function.id, function.name,
                          self.stack.signing_key)
