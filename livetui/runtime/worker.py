"""The process that runs a handler. Started by path in the user's own interpreter: stdlib only, Python 3.9 to 3.14.

`python worker.py worker CONTROL LIFELINE`: two inherited descriptors. CONTROL carries frames (`>II`: length of a JSON
header, length of a body; then both). LIFELINE is a pipe that nobody writes to: its end is the end of the console.

From the pool: `init`, then one `invoke` after another. To the pool: `ready` or `failed` (init), `result`, `aws`
(one AWS call), `modules` (files that the handler's code came from), `attaching` and `attached`
(the debugger, for a `breakpoint()`). Log records travel in the stdout pipe, in order with what is printed, as chunks
that begin with a token only the pool knows. `python worker.py fork …` is a parent that forks workers (worker_fork.py);
`python worker.py loopback` inherits no descriptors (worker_loopback.py).
"""

from __future__ import annotations

# pathlib costs a worker 5 ms of its start:
# ruff: noqa: PTH100, PTH118, PTH120
import os
import sys
from importlib.machinery import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load(name: str) -> ModuleType:
    """Load a module that lies beside this one, without a trace in `sys.path` or `sys.modules`."""
    # importlib.util would do the same, and cost 4 ms.
    loader = SourceFileLoader("_livetui_" + name, os.path.join(_HERE, name + ".py"))
    module = type(sys)(loader.name)
    module.__file__ = loader.path
    code = loader.get_code(loader.name)
    assert code is not None
    exec(code, module.__dict__)  # noqa: S102  (our own file)
    return module


if __name__ == "__main__":
    sys.path.pop(0)
    _load("worker_loop").main(_load, *sys.argv[1:])
