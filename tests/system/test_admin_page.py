# SPDX-License-Identifier: Apache-2.0
"""The administrator's page in a real browser, on a server as users start it: from its first password to logging out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.browser import Page, browsing
from tests.system.conftest import PATIENCE, until

from harken.bench.server import started

SECTIONS = ("Overview", "Keys", "Accounts", "Jobs", "Models", "Usage", "Settings", "Audit", "Security")
NASTY = "<img src=x onerror=alert(1)> & Zoë"

UNNAMED = """
[...document.querySelectorAll("input, select, button, a")].filter((one) => one.checkVisibility()
  && !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim())).map((one) => one.outerHTML)
"""
FAINT = """
(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const one of document.body.querySelectorAll("*")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !one.checkVisibility() || one.disabled || one.tagName === "NOSCRIPT") continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${one.outerHTML.slice(0, 80)} ${(a + 0.05) / (b + 0.05)}`);
  }
  return faint;
})()
"""


@dataclass(frozen=True)
class Here:
    """A server, and the password that its first start printed."""

    url: str
    password: str


@pytest.fixture(scope="module")
def here(
    base_model: Path,
    vad_model: Path,
    segmentation_model: Path,
    campplus_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Here]:
    folder = tmp_path_factory.mktemp("server")
    with started(folder) as url:
        printed = re.findall(r"administrator's password[^:]*: (\w+)", (folder / "server.log").read_text())
        assert len(printed) == 1
        yield Here(url, printed[0])


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that must give the browser nothing to complain of, but that the server refuses what it must."""
    with browsing() as page:
        yield page
        complaints = [one for one in page.complaints if not re.search(r"status of 40[01] ", one)]
        assert complaints == []


def enter(page: Page, here: Here) -> None:
    page.open(f"{here.url}/admin")
    page.fill("Administrator's password", here.password)
    page.press("Log in")
    page.sees("Health")


def section(page: Page, name: str) -> None:
    page.press(name, "a")
    page.until(f"document.querySelector('h1')?.textContent === '{name}' && document.title.startsWith('{name}')")


def test_an_administrators_day(here: Here, page: Page, beckett_wav: Path) -> None:
    page.open(f"{here.url}/admin")
    page.fill("Administrator's password", "wrong")
    page.press("Log in")
    page.sees("that is not the administrator's password")
    page.fill("Administrator's password", here.password)
    page.key("Enter", 13, "\r")
    page.sees("Health")
    until(lambda: page.js("document.querySelector('.tiles .good')?.textContent") == "ready")
    page.sees("alive")

    section(page, "Accounts")
    page.fill("Name", NASTY)
    page.press("Create account")
    page.sees(f"Account {NASTY} was made.")
    page.press(f"Credits of {NASTY}")
    page.fill("Credits to give", "5.5")
    page.press("Give")
    page.sees(f"{NASTY} has 5.5 credits now.")

    section(page, "Keys")
    page.fill("Name", "laptop")
    page.choose("Account", NASTY)
    page.fill("Models", "nonsense")
    page.press("Create key")
    page.sees("nobody knows a model named 'nonsense'")
    page.fill("Models", "base")
    page.press("Create key")
    page.sees("Copy it now")
    key = str(page.js("document.querySelector('.secret').textContent"))
    page.press("Close")
    page.sees("was made.")
    assert key not in page.text()

    with httpx.Client(base_url=here.url, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE) as client:
        with beckett_wav.open("rb") as recording:
            answer = client.post("/v1/audio/transcriptions", files={"file": ("beckett.wav", recording)})
        assert answer.status_code == 200, answer.text
        job = answer.headers["X-Harken-Job"]

        section(page, "Jobs")
        page.sees("completed")
        page.sees("beckett.wav")
        assert answer.json()["text"].strip() not in page.text()
        page.choose("State", "failed")
        page.press("Show")
        page.sees("No such job.")
        page.choose("State", "completed")
        page.press("Show")
        page.sees(job)
        page.press(f"Delete job {job}")
        page.press("No")
        page.sees(job)
        page.press(f"Delete job {job}")
        page.press("Delete")
        page.sees(f"Job {job} was deleted.")
        assert client.get(f"/v1/transcription-jobs/{job}").status_code == 404

        section(page, "Usage")
        page.sees(NASTY)
        page.sees("0:10")

        section(page, "Keys")
        page.press(f"Change key {key.split('_')[1]}")
        page.fill("Name", "old laptop")
        page.press("Change key")
        page.sees("was changed.")
        page.sees("old laptop")
        page.press(f"Revoke key {key.split('_')[1]}")
        page.press("Revoke")
        page.sees("was revoked.")
        until(lambda: client.get("/v1/models").status_code == 401)

    section(page, "Audit")
    for action in ("account.create", "credits.grant", "key.create", "job.delete", "key.revoke", "admin.login_failed"):
        page.sees(action)
    section(page, "Settings")
    page.sees("HARKEN_DATA_DIR")
    section(page, "Models")
    page.sees("(default)")
    page.sees("loaded in process")
    page.press("Unload base")
    page.sees("The workers are told to let go of base.")
    page.until("!document.body.textContent.includes('loaded in process')")
    page.press("Load base")
    page.sees("loaded in process")

    section(page, "Security")
    page.press("Log out everywhere")
    page.press("Log out everywhere")
    page.sees("Every session has ended.")
    page.open(f"{here.url}/admin")
    page.sees("Administrator's password")
    assert "Overview" not in page.text()


def test_a_session_that_ends_elsewhere_ends_here(here: Here, page: Page) -> None:
    enter(page, here)
    page.call("Network.clearBrowserCookies")
    page.press("Keys", "a")
    page.sees("The session has ended. Log in again.")
    assert "Overview" not in page.text()


def test_everybody_can_use_it(here: Here, page: Page) -> None:
    """By keyboard, by ear, in the dark, on a telephone."""
    enter(page, here)
    page.js("document.querySelector('a, button, input, [tabindex]').focus()")
    assert page.js("document.activeElement.textContent") == "Skip to content"
    for _ in range(2):
        page.key("Tab", 9)
    assert page.js("document.activeElement.hash") == "#keys"
    page.key("Enter", 13, "\r")
    page.until("document.querySelector('h1').textContent === 'Keys'")
    assert page.js("document.activeElement.tagName") == "H1"

    telephone = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    page.call("Emulation.setDeviceMetricsOverride", **telephone)
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        ground = page.js("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(246, 247, 249)") is (scheme == "light"), ground
        for name in SECTIONS:
            section(page, name)
            assert page.js(UNNAMED) == [], name
            assert page.js(FAINT) == [], (name, scheme)
            assert page.js("document.documentElement.scrollWidth") <= 360, name
    page.press("Log out")
    page.sees("You are logged out.")
    assert page.js(FAINT) == []
