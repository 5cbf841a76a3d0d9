"""The process that runs a handler. Started by path in the user's own interpreter: stdlib only, Python 3.9 to 3.14.

`python worker.py worker CONTROL LIFELINE`: two inherited descriptors. CONTROL carries frames (`>II`: length of a JSON
header, length of a body; then both). LIFELINE is a pipe that nobody writes to: its end is the end of the console.

From the pool: `init`, then one `invoke` after another. To the pool: `ready` or `failed` (init), `result`, `aws`
(one AWS call), `modules` (files that the handler's code came from). Log records travel in the stdout pipe, in
order with what is printed, as chunks that begin with a token only the pool knows. `python worker.py fork …` is a
parent that forks workers (worker_fork.py).
"""

from __future__ import annotations

# pathlib costs a worker 5 ms of its start:
# ruff: noqa: PTH100, PTH118, PTH120
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load(name: str) -> ModuleType:
    """Load a module that lies beside this one, without a trace in `sys.path` or `sys.modules`."""
    import importlib.util  # only once sys.path is clean

    path = os.path.join(_HERE, name + ".py")
    spec = importlib.util.spec_from_file_location("_livetui_" + name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.path.pop(0)
    _load("worker_loop").main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), _load)
