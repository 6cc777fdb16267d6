# SPDX-License-Identifier: Apache-2.0
"""A real browser: the Chromium of this machine, or one that Playwright fetched, without a window, by its own protocol.

Clicks and keys are the browser's own events. Where there is no browser tests are not run and say so; in CI they fail.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0
"""Seconds that a test waits for what must happen, at most."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLAYWRIGHT = ("ms-playwright/chromium-*/chrome-linux*/chrome", "ms-playwright/chromium_headless_shell-*/*/*shell")

_FIND = """
(kind, name) => {
  const top = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
  const visible = (one) => one.checkVisibility();
  const named = (one) => [one.getAttribute("aria-label"), one.textContent.trim()].includes(name);
  if (kind === "label") {
    const label = [...top.querySelectorAll("label")].filter(visible).find((one) => one.textContent.trim() === name);
    return label?.control ?? null;
  }
  return [...top.querySelectorAll(kind)].filter(visible).find(named) ?? null;
}
"""


def executable() -> str:
    """The browser's program."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright").parent
    found = found or next((str(path) for pattern in _PLAYWRIGHT for path in sorted(cache.glob(pattern))), None)
    if found is not None:
        return found
    told = "NOT TESTED: there is no Chromium; Debian has it as chromium"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


class Page:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        """What the browser found wrong: errors of scripts, what the page's policy refused, what did not load."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser."""
        number = next(self._ids)
        asked: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            asked["sessionId"] = self._session
        self._socket.send(json.dumps(asked))
        while True:
            told = json.loads(self._socket.recv(timeout=PATIENCE))
            if told.get("id") == number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self._note(told)

    def js(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, url: str) -> None:
        """Go to a page."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def until(self, expression: str) -> Any:
        """Wait until it is true."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            # While a page is being changed for another, there is nobody to ask.
            told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
            if value := told["result"].get("value"):
                return value
            time.sleep(0.03)
        raise AssertionError(f"not in time: {expression}\n{self.text()}")

    def sees(self, text: str) -> None:
        """Wait until the text is on the page."""
        self.until(f"document.body.innerText.includes({json.dumps(text)})")

    def text(self) -> str:
        """What is to be read on the page."""
        return str(self.js("document.body.innerText"))

    def press(self, name: str, kind: str = "button") -> None:
        """Click a button, or another kind of element, by the name that people read or hear."""
        found = f"({_FIND})({json.dumps(kind)}, {json.dumps(name)})"
        self.until(f"{found} !== null && !{found}.disabled")
        box = self.js(
            f"(() => {{ const one = {found}; one.scrollIntoView({{block: 'center'}}); "
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def fill(self, label: str, text: str) -> None:
        """Type into the field with a label, in place of what is in it."""
        found = f"({_FIND})('label', {json.dumps(label)})"
        self.until(f"{found} !== null")
        self.js(f"{found}.focus(); {found}.select()")
        self.call("Input.insertText", text=text)

    def choose(self, label: str, text: str) -> None:
        """Choose an option of the list with a label."""
        found = f"({_FIND})('label', {json.dumps(label)})"
        self.until(f"{found} !== null")
        self.js(
            f"(() => {{ const one = {found}; one.value = [...one.options].find((o) => o.text === {json.dumps(text)})"
            ".value; one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def key(self, name: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            also = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **also)

    def picture(self, path: Path) -> None:
        """Keep what the page looks like."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "assert"):
                self.complaints.append(str(params["args"]))


@contextlib.contextmanager
def browsing(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page of a browser of its own."""
    program = executable()
    with tempfile.TemporaryDirectory(prefix="harken-browser-", ignore_cleanup_errors=True) as folder:
        flags = [
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            f"--window-size={width},{height}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            # Its own sandbox needs rights that containers and root do not have; it opens our page alone.
            "--no-sandbox",
        ]
        process = subprocess.Popen([program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = _address(Path(folder) / "DevToolsActivePort", process)
            with connect(address, max_size=None, proxy=None, compression=None, open_timeout=PATIENCE) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(path: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        lines = path.read_text().split("\n") if path.exists() else []
        if len(lines) > 1 and lines[1]:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError("the browser did not start in time")
