"""Emacs: dap-mode, a client that is not ours, attaches, sets a breakpoint, sees the stop, evaluates and lets run on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path

import pytest

from tests.integration.debug.bench import HELPER, Bench, line_of

ADD = line_of(HELPER, "total += value")
PROBE = "(unless (require 'dap-ui nil t) (kill-emacs 3))"
DRIVE = """
(setq dap-breakpoints-file (expand-file-name "dap" default-directory) dap-auto-show-output nil)
(dap-register-debug-provider "livetui" #'identity)
(defun say (file words) (write-region words nil (expand-file-name file default-directory)))
(defvar here default-directory)
(defvar done nil)
(defun stopped (session)
  (let ((frame (dap--debug-session-active-frame session)))
    (dap--send-message
     (dap--make-request "evaluate" (list :expression "value" :frameId (gethash "id" frame) :context "watch"))
     (lambda (answer)
       (let ((default-directory here))
         (say "said.json" (json-encode (list :line (gethash "line" frame)
                                             :value (gethash "result" (gethash "body" answer))))))
       (dap-continue session (dap--debug-session-thread-id session)))
     session)))
(add-hook 'dap-stack-frame-changed-hook
          (lambda (session) (when (and (dap--debug-session-active-frame session) (not done)) (setq done t)
                              (stopped session))))
(find-file "helper.py")
(goto-char (point-min))
(forward-line (1- %(line)d))
(dap-breakpoint-add)
(dap-debug (list :type "livetui" :request "attach" :name "livetui" :host "127.0.0.1" :debugServer %(port)d
                 :livetuiToken %(token)s :subProcess :json-false))
(while t (accept-process-output nil 0.05))
"""


async def emacs(folder: Path, script: str) -> asyncio.subprocess.Process:
    (folder / "test.el").write_text(";; -*- lexical-binding: t -*-\n" + script)
    return await asyncio.create_subprocess_exec(
        "emacs", "--batch", "--load", "test.el", cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"})


async def test_dap_mode_sees_a_stop_and_evaluates(desk: Bench, app: Path, helper: Path, project: Path) -> None:
    if shutil.which("emacs") is None:
        pytest.skip("emacs is not here")
    probe = await emacs(project, PROBE)
    await probe.communicate()
    if probe.returncode:
        pytest.skip("dap-mode is not among emacs's packages; Debian has it as elpa-dap-mode")
    words = {"line": ADD, "port": desk.broker.port, "token": json.dumps(desk.broker.token)}
    process = await emacs(project, "(require 'dap-ui)" + DRIVE % words)
    try:
        await desk.heard.until("breakpoints", lambda union: [item.line for item in union] == [ADD])
        worker = await desk.worker(app)
        worker.send(values=[5])
        assert await worker.answer() == {"ok": {"total": 5}}
        assert json.loads((project / "said.json").read_text()) == {"line": ADD, "value": "5"}
        assert desk.heard.all("clients")[-1] != []
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        _, said = await process.communicate()
        print(said.decode())
