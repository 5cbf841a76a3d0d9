"""Forked workers behave as fresh ones do, and where they could not, workers are not forked and the reason is told."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from livetui.runtime import preload
from livetui.runtime.contract import FunctionSpec, LaneStats
from livetui.runtime.pool import Pool

from .conftest import Recorder, eventually, make_function, work

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "START_DELAY_S", 0.0)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A layer's site-packages: what lies in it counts as installed."""
    folder = tmp_path / f"layer/python/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def forking(tmp_path: Path, pool: Pool) -> Callable[..., FunctionSpec]:
    def make(source: str, **changes: object) -> FunctionSpec:
        spec = make_function(tmp_path / "code", source, layers=(tmp_path / "layer",), **changes)
        pool.configure([spec])
        return spec
    return make


async def settled(pool: Pool) -> LaneStats:
    """Call once, and wait until it is known whether the next worker is forked."""
    await pool.invoke("F", work())
    await eventually(lambda: pool.stats()["F"].spawn == "fork" or pool.stats()["F"].spawn_reason)
    return pool.stats()["F"]


async def next_worker(pool: Pool, event: object = None) -> object:
    """What a new worker answers, which was forked when workers are."""
    forked = pool.stats()["F"].spawn == "fork"
    pool.restart("F")
    outcome = await pool.invoke("F", work(event))
    assert (psutil.Process(outcome.pid).ppid() != os.getpid()) is forked
    return json.loads(outcome.body)


async def test_modules_of_others_are_there_already_and_the_handlers_own_are_not(pool, forking, packages) -> None:
    (packages / "heavy.py").write_text("import os\npid = os.getpid()")
    forking("""
        import os
        import heavy
        mine = os.getpid()
        def handler(event, context): return [heavy.pid, mine, os.getpid()]
    """)
    assert (await settled(pool)).spawn == "fork"
    heavy, mine, own = await next_worker(pool)
    assert heavy not in (mine, own)
    assert mine == own


async def test_every_worker_has_its_own_state(pool, forking, packages) -> None:
    (packages / "cache.py").write_text("seen = []")
    forking("""
        import cache
        def handler(event, context):
            cache.seen.append(event)
            return cache.seen
    """)
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool, "a") == ["a"]
    assert await next_worker(pool, "b") == ["b"]


async def test_saved_code_is_imported_anew(pool, forking, packages) -> None:
    (packages / "heavy.py").write_text("")
    spec = forking("import heavy, other\ndef handler(event, context): return other.value")
    (spec.code_root / "other.py").write_text("value = 1")
    assert (await settled(pool)).spawn == "fork"
    (spec.code_root / "other.py").write_text("value = 22")
    (spec.code_root / "added.py").write_text("value = 3")
    (spec.code_root / "app.py").write_text(
        "import heavy, other, added\ndef handler(event, context): return [other.value, added.value]")
    assert await next_worker(pool) == [22, 3]


async def test_packages_read_the_functions_environment_when_imported(pool, forking, packages) -> None:
    (packages / "reads.py").write_text("import os\nseen = {k: os.environ.get(k) for k in ('TABLE', 'AWS_REGION')}")
    forking("import reads\ndef handler(event, context): return reads.seen", environment={"TABLE": "orders"})
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool) == {"TABLE": "orders", "AWS_REGION": "eu-west-1"}


async def test_a_changed_environment_is_read_anew(pool, forking, packages) -> None:
    (packages / "reads.py").write_text("import os\nseen = os.environ.get('TABLE')")
    source = "import reads\ndef handler(event, context): return reads.seen"
    forking(source, environment={"TABLE": "old"})
    assert (await settled(pool)).spawn == "fork"
    forking(source, environment={"TABLE": "new"})
    assert json.loads((await pool.invoke("F", work())).body) == "new"
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool) == "new"


async def test_credentials_are_those_of_the_call(pool, forking, packages) -> None:
    forking("import os\nat_import = os.environ['AWS_ACCESS_KEY_ID']\n"
            "def handler(event, context): return [at_import, os.environ['AWS_ACCESS_KEY_ID']]")
    assert (await settled(pool)).spawn == "fork"
    pool.restart("F")
    outcome = await pool.invoke("F", work(credentials={"AWS_ACCESS_KEY_ID": "fresh"}))
    assert json.loads(outcome.body) == ["fresh", "fresh"]


async def test_code_that_sets_environment_before_it_imports_is_not_forked(pool, forking, packages) -> None:
    (packages / "reads.py").write_text("import os\nseen = os.environ.get('THREADS')")
    forking("import os\nos.environ['THREADS'] = '1'\nimport reads\ndef handler(event, context): return reads.seen")
    stats = await settled(pool)
    assert (stats.spawn, stats.spawn_reason) == ("fresh", "the code sets THREADS while it is imported")
    assert await next_worker(pool) == "1"


async def test_environment_that_a_package_sets_is_no_obstacle(pool, forking, packages) -> None:
    (packages / "sets.py").write_text("import os\nos.environ['SET_BY_PACKAGE'] = '1'")
    forking("import os, sets\ndef handler(event, context): return os.environ['SET_BY_PACKAGE']")
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool) == "1"


@pytest.mark.parametrize(("source", "why"), [
    ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "starts a thread"),
    ("import socket\nkept = socket.socket()", "keeps open"),
    ("import asyncio\nloop = asyncio.new_event_loop()", "keeps open"),
    ("kept = open(__file__)", "keeps open"),
])
async def test_a_package_that_cannot_be_forked_is_left_out(pool, forking, packages, source: str, why: str) -> None:
    (packages / "unsafe.py").write_text(f"import os\npid = os.getpid()\n{source}")
    (packages / "safe.py").write_text("import os\npid = os.getpid()")
    forking("import os, unsafe, safe\ndef handler(event, context): return [unsafe.pid, safe.pid, os.getpid()]")
    await settled(pool)
    await eventually(lambda: pool.stats()["F"].spawn == "fork")
    assert pool.stats()["F"].spawn_reason.startswith(f"without unsafe: {why}")
    unsafe, safe, own = await next_worker(pool)
    assert unsafe == own != safe


async def test_a_package_that_imports_the_users_code_is_not_preloaded(pool, forking, packages) -> None:
    (packages / "framework.py").write_text("import settings\nvalue = settings.value")
    spec = forking("import framework\ndef handler(event, context): return framework.value")
    (spec.code_root / "settings.py").write_text("value = 1")
    stats = await settled(pool)
    assert stats.spawn == "fresh" and "your own code" in stats.spawn_reason
    (spec.code_root / "settings.py").write_text("value = 22")
    assert await next_worker(pool) == 22


async def test_an_upgraded_package_is_imported_anew(pool, forking, packages) -> None:
    (packages / "upgraded.py").write_text("version = 1")
    forking("import upgraded\ndef handler(event, context): return upgraded.version")
    assert (await settled(pool)).spawn == "fork"
    (packages / "upgraded.py").write_text("version = 22")
    pool.restart("F")
    assert json.loads((await pool.invoke("F", work())).body) == 22


async def test_random_numbers_differ_between_workers_but_seeded_ones_do_not(pool, forking, packages) -> None:
    (packages / "chance.py").write_text(
        "import random, uuid\nown = random.Random()\nfixed = random.Random(7)\nother = random.Random(); other.seed(3)")
    forking("""
        import chance, os, random, secrets, tempfile, uuid
        def handler(event, context):
            return [[random.random(), chance.own.random(), str(uuid.uuid4()), secrets.token_hex(4),
                     next(tempfile._get_candidate_names())], [chance.fixed.random(), chance.other.random()]]
    """)
    fresh = json.loads((await pool.invoke("F", work())).body)
    assert (await settled(pool)).spawn == "fork"
    drawn = [fresh, await next_worker(pool), await next_worker(pool)]
    for values in zip(*(free for free, _ in drawn), strict=True):
        assert len(set(values)) == 3
    assert drawn[1][1] == drawn[2][1] == fresh[1]


async def test_what_packages_print_when_imported_is_in_every_workers_log(pool, forking, packages, recorder) -> None:
    (packages / "chatty.py").write_text(
        "import logging, sys\nprint('printed')\nprint('warned', file=sys.stderr)\nlogging.warning('logged')")
    forking("import chatty\ndef handler(event, context): return 1")
    assert (await settled(pool)).spawn == "fork"
    pool.restart("F")
    call = work()
    await pool.invoke("F", call)
    assert recorder.lines(call.id, "stdout") == ["printed"]
    assert recorder.lines(call.id, "stderr") == ["warned"]
    assert recorder.lines(call.id, "logging")[0].endswith("logged")


async def test_logging_and_streams_are_those_of_a_fresh_worker(pool, forking, packages, recorder) -> None:
    (packages / "configures.py").write_text("import logging\nlogging.basicConfig(level='DEBUG')")
    forking("""
        import configures, logging, os, sys
        def handler(event, context):
            logging.warning("once")
            print("out"); os.write(2, b"err")
            return [len(logging.getLogger().handlers), logging.getLogger().level, type(sys.stdout).__name__,
                    os.readlink("/proc/self/fd/0"), os.getpgrp() == os.getpid(), sorted(sys.argv[1:]),
                    sys.path[0] == os.getcwd()]
    """)
    fresh = json.loads((await pool.invoke("F", work())).body)
    assert (await settled(pool)).spawn == "fork"
    pool.restart("F")
    call = work()
    assert json.loads((await pool.invoke("F", call)).body) == fresh
    assert [text[-4:] for text in recorder.lines(call.id)] in (["once", "out", "err"], ["err", "once", "out"])


async def test_open_descriptors_are_those_of_a_fresh_worker(pool, forking, packages) -> None:
    forking("import os\ndef handler(event, context):\n    return len(os.listdir('/proc/self/fd'))")
    fresh = json.loads((await pool.invoke("F", work())).body)
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool) == fresh


async def test_ends_are_told_as_of_a_fresh_worker(pool, forking, packages) -> None:
    forking("""
        import os, signal, sys, time
        def handler(event, context):
            if event == "exit": sys.exit(3)
            if event == "kill": os.kill(os.getpid(), signal.SIGKILL)
            if event == "sleep": time.sleep(60)
            raise ValueError("x")
    """, timeout_s=1)
    assert (await settled(pool)).spawn == "fork"
    for event, kind, words in (("exit", "crash", "exit status 3"), ("kill", "crash", "signal: killed"),
                               ("sleep", "timeout", "timed out after 1.00"), ("raise", "error", "x")):
        pool.restart("F")
        outcome = await pool.invoke("F", work(event))
        assert outcome.kind == kind and words in outcome.error_message


async def test_import_errors_are_those_of_a_fresh_worker(pool, forking, packages) -> None:
    spec = forking("def handler(event, context): return 1")
    assert (await settled(pool)).spawn == "fork"
    (spec.code_root / "app.py").write_text("import missing")
    pool.restart("F")
    forked = await pool.invoke("F", work())
    assert forked.error_type == "Runtime.ImportModuleError"
    assert json.loads(forked.body)["errorMessage"] == "Unable to import module 'app': No module named 'missing'"


async def test_gevent_and_the_like_are_not_forked(pool, forking, packages) -> None:
    (packages / "gevent.py").write_text("")
    forking("import gevent\ndef handler(event, context): return 1")
    stats = await settled(pool)
    assert stats.spawn == "fresh" and stats.spawn_reason.startswith("gevent changes")


async def test_it_can_be_switched_off(pool, forking, packages) -> None:
    forking("def handler(event, context): return 1", fork_server=False)
    stats = await settled(pool)
    assert (stats.spawn, stats.spawn_reason) == ("fresh", "switched off")


async def test_a_parent_that_dies_is_replaced(pool, forking, packages) -> None:
    forking("import os\ndef handler(event, context): return os.getppid()")
    assert (await settled(pool)).spawn == "fork"
    parent = await next_worker(pool)
    os.kill(parent, 9)
    await asyncio.to_thread(psutil.wait_procs, [psutil.Process(parent)], 5)
    assert json.loads((await pool.invoke("F", work())).body) != parent
    assert (await settled(pool)).spawn == "fork"
    assert await next_worker(pool) not in (parent, os.getpid())


async def test_close_leaves_nothing_behind(recorder: Recorder, tmp_path: Path) -> None:
    me = psutil.Process()
    before, children = me.num_fds(), me.children()
    pool = Pool(recorder)
    pool.configure([make_function(tmp_path / "code", "import os\ndef handler(event, context): return os.getpid()")])
    assert (await settled(pool)).spawn == "fork"
    worker = await next_worker(pool)
    await pool.close()
    assert me.children() == children
    assert me.num_fds() == before
    assert not psutil.pid_exists(worker)


async def test_boto3_is_forked_and_its_calls_are_recorded(pool, forking, packages, recorder) -> None:
    forking("""
        import boto3
        from botocore.config import Config
        client = boto3.client("sqs", config=Config(retries={"max_attempts": 0}))
        def handler(event, context):
            client.list_queues()
    """, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, timeout_s=20)
    assert (await settled(pool)).spawn == "fork"
    pool.restart("F")
    call = work()
    await pool.invoke("F", call)
    (_, seen), = [entry for entry in recorder.calls if entry[0] == call.id]
    assert seen["operation"] == "ListQueues"


@pytest.fixture(scope="module")
def numpy_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has numpy."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    folder = tmp_path_factory.mktemp("numpy") / "environment"
    for command in ([uv, "venv", "--python", sys.executable, str(folder)],
                    [uv, "pip", "install", "--python", str(folder / "bin/python"), "numpy"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"numpy cannot be had here: {done.stderr.strip()[-300:]}")
    return folder / "bin/python"


@pytest.mark.long
async def test_numpy_computes_in_threads_after_a_fork(pool, forking, packages, numpy_python: Path) -> None:
    forking("""
        import os
        import numpy
        def handler(event, context):
            ones = numpy.ones((900, 900))
            product = ones @ ones
            return [float(product.sum()), len(os.listdir("/proc/self/task")), float(numpy.random.random()),
                    float(numpy.random.default_rng().random()), os.getppid()]
    """, interpreter=numpy_python, timeout_s=20)
    fresh = json.loads((await pool.invoke("F", work())).body)
    assert (await settled(pool)).spawn == "fork"
    forked = [await next_worker(pool) for _ in range(3)]
    assert {total for total, *_ in forked} == {900.0**3}
    assert {threads for _, threads, *_ in forked} == {fresh[1]}
    assert len({legacy for _, _, legacy, *_ in forked}) == len({modern for *_, modern, _ in forked}) == 3
    assert {parent for *_, parent in forked}.isdisjoint({os.getpid()})
