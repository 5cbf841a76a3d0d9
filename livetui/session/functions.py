"""From a deployed function to how it runs here: its interpreter, its environment, its layers."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from livetui import config
from livetui.aws import Aws
from livetui.config import Settings
from livetui.errors import LivetuiError
from livetui.runtime.contract import FunctionSpec, Trouble
from livetui.runtime.interpreter import Interpreter, environment_above, find_interpreter
from livetui.runtime.pool import Pool
from livetui.runtime.requirements import OWN, NoPythonError, make_environment
from livetui.session.events import FunctionInfo
from livetui.stack import deployment
from livetui.stack.contract import LiveFunction, LiveStack
from livetui.stack.handlers import missing_code
from livetui.stack.layers import fetch_layer

_ENVIRONMENTS_EVERY_S = 1.0
Step = Callable[[str], AbstractContextManager[None]]


class Functions:
    """The live functions of a session. What is no coroutine blocks, and is used off the loop."""

    def __init__(self, settings: Settings, step: Step, warn: Callable[[str], None], *, quiet: bool = False) -> None:
        """`step(name)` shows a step that takes time; `quiet` leaves the interpreters' warnings out (the demo)."""
        self._settings = settings
        self._step = step
        self._warn = warn
        self._quiet = quiet
        self._interpreters: dict[str, Interpreter] = {}
        self._code_roots: dict[str, Path] = {}
        self._found_variables: dict[str, dict[str, str]] = {}
        self._variables: dict[str, dict[str, str]] = {}
        """Of the cloud, as the workers have them."""
        self._told = ""
        """The last environment that was found later than its function."""
        self._unknown: set[str] = set()
        self._layers: dict[str, Path | LivetuiError] = {}
        """Layer versions of the cloud: where they lie here, or why they do not."""

    def specs(self, aws: Aws, stack: LiveStack, local: Mapping[str, str]) -> list[FunctionSpec]:
        """How to run every live function; `local` are the variables that the local cloud adds."""
        live = [function for function in stack.functions.values() if function.live]
        environments = self._found_variables = deployment.environments(aws, live)
        self._code_roots = {function.id: _code_root(function) for function in live}
        self._interpreters = {function.id: self._interpreter(function) for function in live}
        for arn in dict.fromkeys(layer for function in live for layer in function.layers if _is_in_cloud(layer)):
            if not isinstance(self._layers.get(arn), Path):
                self._layers[arn] = self._layer(aws, arn)
        return [self._spec(aws, function, {**environments[function.id], **local}) for function in live]

    def are_configured(self) -> None:
        """Workers run with what `specs` found."""
        self._variables = self._found_variables

    def has_other_variables(self, aws: Aws, function: LiveFunction) -> bool:
        """Whether the cloud has other variables for it than its workers."""
        return deployment.environment(aws, function.arn or function.name) != self._variables.get(function.id)

    def unknown(self, stack: LiveStack) -> list[str]:
        """What is said, once, of each `[functions.NAME]` of the settings that is about no function of the stack."""
        wrong = sorted(self._settings.functions.keys() - stack.functions.keys() - self._unknown)
        self._unknown.update(wrong)
        near = [difflib.get_close_matches(name, stack.functions, 1) for name in wrong]
        return [f"livetui.toml: no function of this stack is called {name}, so [functions.{name}] does nothing."
                + (f" Did you mean {meant[0]}?" if meant else "") for name, meant in zip(wrong, near, strict=True)]

    def infos(self, stack: LiveStack, pool: Pool | None) -> dict[str, FunctionInfo]:
        """The functions as people see them, with what keeps them from answering in this pool."""
        troubles = pool.troubles() if pool is not None else {}
        return {function.id: self._info(function, troubles.get(function.id)) for function in stack.functions.values()}

    def _info(self, function: LiveFunction, trouble: Trouble | None) -> FunctionInfo:
        interpreter = self._interpreters.get(function.id)
        warnings = interpreter.warnings if interpreter and not self._quiet else ()
        return FunctionInfo(
            name=function.name, handler=function.handler, live=function.live, reason=function.reason,
            runtime=function.runtime, code_root=str(function.code_root or ""),
            interpreter=str(interpreter.path) if interpreter else "",
            interpreter_reason=interpreter.reason if interpreter else "",
            warnings=(*function.warnings, *warnings, *self._left_out(function)),
            routes=function.routes,
            lacks=trouble.lacks if trouble else "packages" if self._misses_packages(function) else "",
            trouble=trouble.error if trouble else "")

    def _misses_packages(self, function: LiveFunction) -> bool:
        """Whether its requirements are installed nowhere."""
        interpreter = self._interpreters.get(function.id)
        return interpreter is not None and interpreter.requirements is not None and not self._quiet

    def _left_out(self, function: LiveFunction) -> list[str]:
        """What the function has in the cloud and not here."""
        return [str(found) for layer in function.layers if isinstance(found := self._layers.get(layer), LivetuiError)]

    def _layer(self, aws: Aws, arn: str) -> Path | LivetuiError:
        try:
            with self._step("layer " + ":".join(arn.split(":")[-2:])):
                return fetch_layer(aws, arn)
        except LivetuiError as error:
            return error

    def _interpreter(self, function: LiveFunction) -> Interpreter:
        """The function's Python; one is made from its requirements when the project has none, once per content."""
        found = self._find(function)
        if found.requirements is None:
            return found
        step = f"environment for {found.requirements.file.parent.name}/{found.requirements.file.name}"
        for runtime in dict.fromkeys((function.runtime, OWN)):
            try:
                with self._step(step):
                    make_environment(found.requirements, runtime, self._settings.state)
                return self._find(function)
            except LivetuiError as error:
                self._warn(str(error))
                if not isinstance(error, NoPythonError):
                    break
        return found

    async def another_environment(self) -> str:
        """Wait until something else than what `specs` found would run a function, and what that is in a sentence.

        It is looked for again and again: an environment is filled for seconds, and nothing tells when it can run.
        """
        while True:
            await asyncio.sleep(_ENVIRONMENTS_EVERY_S)
            words = await asyncio.to_thread(self._other_environment)
            if words and words != self._told:
                self._told = words
                return words

    def _other_environment(self) -> str:
        for id, interpreter in list(self._interpreters.items()):
            root = self._code_roots.get(id)  # both are made anew meanwhile, one after the other
            if root is None or self._settings.for_function(id).python:
                continue
            found = environment_above(root, self._settings.root)
            if found is not None and found != interpreter.path:
                return f"{found} is here now: it runs {id} from the next call on."
            if not interpreter.path.is_file():
                return f"{interpreter.path}, which ran {id}, is gone."
        return ""

    def _find(self, function: LiveFunction) -> Interpreter:
        return find_interpreter(_code_root(function), function.runtime,
                                self._settings.for_function(function.id).python, self._settings.root,
                                self._settings.state, function.architecture)

    def _spec(self, aws: Aws, function: LiveFunction, environment: Mapping[str, str]) -> FunctionSpec:
        return FunctionSpec(
            id=function.id, name=function.name, handler=function.handler, code_root=_code_root(function),
            interpreter=self._interpreters[function.id].path, timeout_s=function.timeout_s,
            memory_mb=function.memory_mb, region=aws.region, runtime=function.runtime,
            environment={**environment, **config.overrides(self._settings, function.id)},
            layers=tuple(path for layer in function.layers
                         if isinstance(path := self._layers.get(layer, Path(layer)), Path)),
            log_format=function.log_format, log_level=function.log_level,
            trouble=self._trouble(function))

    def _trouble(self, function: LiveFunction) -> Trouble | None:
        """What the function lacks, as far as can be seen without running it."""
        root, first = _code_root(function), function.handler.partition(".")[0].partition("/")[0]
        missing = missing_code(root, function.handler, function.layers)
        if missing is None or (missing[0] == "handler" and not any(root.glob(f"{first}*"))
                               and _may_be_installed(first, self._interpreters[function.id].path)):
            return None
        return Trouble(*missing)


def _may_be_installed(module: str, python: Path) -> bool:
    """Whether an environment has a package of that name, or a link to one: some handlers are a package's own."""
    return any((python.parent.parent / "lib").glob(f"python*/site-packages/*{module}*"))


def _is_in_cloud(layer: str) -> bool:
    return layer.startswith("arn:")


def _code_root(function: LiveFunction) -> Path:
    if function.code_root is None:
        raise LivetuiError(f"The code of {function.id} is not in this project.",
                           hint="Leave it out with --function, or start livetui where its template is.")
    return function.code_root
