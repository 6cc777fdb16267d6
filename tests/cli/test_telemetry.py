# SPDX-License-Identifier: Apache-2.0
"""Logs as people and machines read them."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import logging, warnings
from harken import telemetry
telemetry.configure({level!r}, {form!r})
log = logging.getLogger("harken.worker")
log.debug("fine")
log.info("window done", extra={{"job": "7", "seconds": 1.5}})
logging.getLogger("other").info("library")
logging.getLogger("other").warning("trouble\\nhere")
try: 1 / 0
except ZeroDivisionError: log.exception("broke")
"""


def logged(level: str, form: str) -> list[str]:
    code = CODE.format(level=level, form=form)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_text_is_one_readable_line_with_its_values() -> None:
    lines = logged("info", "text")
    assert lines[0].endswith("INFO    harken.worker: window done job=7 seconds=1.5")
    assert not any("fine" in line or "library" in line for line in lines)
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_debug_lets_libraries_be_heard() -> None:
    lines = logged("debug", "text")
    assert any("fine" in line for line in lines)
    assert any("library" in line for line in lines)


def test_error_is_quiet() -> None:
    first = next(line for line in logged("error", "text") if "harken.worker" in line or "other" in line)
    assert first.endswith("broke")


def test_json_is_one_object_a_line() -> None:
    entries = [json.loads(line) for line in logged("info", "json")]
    assert [entry["message"] for entry in entries] == ["window done", "trouble\nhere", "broke"]
    assert entries[0] | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "harken.worker",
        "message": "window done",
        "job": "7",
        "seconds": 1.5,
    }
    assert entries[0]["time"].endswith("Z")
    assert "ZeroDivisionError" in entries[2]["exception"]


ABOUT = """
import logging, threading
from contextvars import copy_context
from harken import telemetry
telemetry.configure("info", "json")
log = logging.getLogger("harken.server")
with telemetry.about(request_id="r"):
    with telemetry.about(job_id="j"):
        log.info("both")
        log.info("own", extra={"job_id": "k"})
        context = copy_context()
    log.info("one")
log.info("none")
for target in (lambda: log.info("elsewhere"), lambda: context.run(log.info, "taken along")):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
"""


def test_lines_say_what_they_are_about() -> None:
    done = subprocess.run([sys.executable, "-c", ABOUT], capture_output=True, text=True, check=True)
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["message"], one.get("request_id"), one.get("job_id")) for one in entries] == [
        ("both", "r", "j"),
        ("own", "r", "k"),
        ("one", "r", None),
        ("none", None, None),
        ("elsewhere", None, None),
        ("taken along", "r", "j"),
    ]
