"""Makes importing the rest cheap: what a cold start pays before the first event. `handler` imports it first.

Collections are off, since they would find nothing. And awscrt and the stub, and nobody else in the process, get
stand-ins for `dataclasses`, `inspect` and `typing`, which with all that they import and do would be two thirds of what
the stub adds to awscrt's own library: for classes that need no more than their `__init__`, for the one check that
callbacks can be called, and for annotations that nobody reads. A statement that asks for any other name gets the real
module, and so does everyone once all is imported. A handler that `deployed` runs in this process sees awscrt so.
"""

from __future__ import annotations

import builtins
import gc
import os
from collections.abc import Mapping, Sequence
from types import SimpleNamespace


def _dataclass(cls: type | None = None, *, frozen: bool = False, repr: bool = True) -> object:
    """A data class of plain defaults as its `__init__` alone; options are for those who print, compare or change it."""
    if cls is None:
        return _dataclass
    names = tuple(getattr(cls, "__annotations__", ()))
    defaults = {name: getattr(cls, name) for name in names if hasattr(cls, name)}
    known = frozenset(names)
    checked = getattr(cls, "__post_init__", None)

    def init(self: object, *values: object, **named: object) -> None:
        held = self.__dict__
        held.update(defaults)
        held.update(zip(names, values))  # noqa: B905  (Python 3.9)
        held.update(named)
        twice = named and not named.keys().isdisjoint(names[:len(values)])
        if held.keys() != known or len(values) > len(names) or twice:
            raise TypeError(f"{cls.__name__}() takes {', '.join(names)}")
        if checked is not None:
            checked(self)

    if "__init__" not in vars(cls):
        cls.__init__ = init  # type: ignore[misc]
    return cls


def _signature(callback: object) -> object:
    """What awscrt's client binds to an argument, to see whether a callback takes one: the stub's own do."""
    if getattr(callback, "__module__", "") == "stub_runtime.mqtt":
        return SimpleNamespace(bind=lambda packet: None)
    import inspect

    return inspect.signature(callback)  # type: ignore[arg-type]


class _Hint:
    def __class_getitem__(cls, _of: object) -> type:
        return cls


_HINTS = ("Any", "Callable", "Dict", "Iterator", "List", "Optional", "Sequence", "Tuple", "Union")
_STAND_INS = {
    "dataclasses": SimpleNamespace(dataclass=_dataclass),
    "inspect": SimpleNamespace(signature=_signature),
    "typing": SimpleNamespace(**dict.fromkeys(_HINTS, _Hint)),
}
_import = builtins.__import__


def _lean_import(name: str, globals: Mapping[str, object] | None = None, locals: Mapping[str, object] | None = None,
                 fromlist: Sequence[str] | None = (), level: int = 0) -> object:
    if name in _STAND_INS and fromlist and level == 0 and globals is not None:
        stand_in = _STAND_INS[name]
        importer = str(globals.get("__name__")).partition(".")[0]
        if importer in ("awscrt", "stub_runtime") and all(hasattr(stand_in, asked) for asked in fromlist):
            return stand_in
    return _import(name, globals, locals, fromlist or (), level)


def _load_library() -> None:
    """Load awscrt's library without the system's certificates, read for a default that awscrt never uses.

    That default cannot be done without (s2n-tls, issue 5351). What a connection trusts is read when one is made.
    """
    told = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        import _awscrt  # type: ignore[import-not-found]  # noqa: F401
    finally:
        if told is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = told


gc.disable()
_load_library()
builtins.__import__ = _lean_import  # type: ignore[assignment]


def done() -> None:
    """All is imported: collect again, but never what was imported."""
    builtins.__import__ = _import
    gc.freeze()
    gc.enable()
