"""A worker as small as can be: debug config and events come on one pipe, answers go out on another.

argv: module path of worker_debug, handler module path, read descriptor, write descriptor.
"""

import importlib.util
import json
import os
import sys
import threading


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main():
    commands, answers = os.fdopen(int(sys.argv[3]), "r"), os.fdopen(int(sys.argv[4]), "w", buffering=1)
    config = json.loads(commands.readline())
    debug = load("worker_debug", sys.argv[1])
    beats = threading.Event()
    heartbeat = threading.Thread(target=beats.wait, daemon=True, name="heartbeat")
    debug.exempt(heartbeat)
    heartbeat.start()
    if config is not None:
        debug.start(config)
    folder, file = os.path.split(sys.argv[2])
    sys.path.insert(0, folder)
    module = load(file[:-3], sys.argv[2])
    answers.write(json.dumps({"ready": os.getpid()}) + "\n")
    for line in commands:
        event = json.loads(line)
        debug.before_invocation(event.pop("work", ""))
        try:
            answer = {"ok": module.handler(event, None)}
        except Exception as error:  # noqa: BLE001 - what the handler raised is the answer
            debug.on_handler_error(error)
            answer = {"error": type(error).__name__}
        answers.write(json.dumps(answer) + "\n")


main()
