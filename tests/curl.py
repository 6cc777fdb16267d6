# SPDX-License-Identifier: Apache-2.0
"""Command lines of curl as requests: what documents tell users to type, sent by a client that is always there."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

HOST = "http://localhost:8000"
"""Where the documents have their server."""


def curl(client: httpx.Client, line: str, files: Mapping[str, Path]) -> httpx.Response:
    """The answer of the client's server to a command line. ``files`` stand for those that it names."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    parser.add_argument("-X", "--request")
    parser.add_argument("-H", "--header", action="append", default=[])
    parser.add_argument("-F", "--form", action="append", default=[])
    parser.add_argument("-d", "--data")
    parser.add_argument("url")
    program, *arguments = shlex.split(line.replace("\\\n", " "))
    assert program == "curl"
    asked = parser.parse_args(arguments)
    assert asked.url.startswith(HOST)
    parts = [_part(form, files) for form in asked.form]
    body: dict[str, Any] = {}
    if parts:
        body["files"] = parts
    if asked.data is not None:
        body["content"] = asked.data
    headers = dict(header.split(": ", 1) for header in asked.header)
    if asked.data is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    method = asked.request or ("POST" if body else "GET")
    return client.request(method, asked.url.removeprefix(HOST), headers=headers, **body)


def _part(form: str, files: Mapping[str, Path]) -> tuple[str, tuple[str | None, bytes]]:
    """A part of a form, with the name of its file where it is one."""
    name, _, value = form.partition("=")
    if value.startswith("@"):
        return name, (value[1:], files[value[1:]].read_bytes())
    return name, (None, value.encode())
