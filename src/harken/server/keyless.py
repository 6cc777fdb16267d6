# SPDX-License-Identifier: Apache-2.0
"""Whom a server without keys answers: programs on its own machine, and no stranger who comes through one of them.

Such a server listens on loopback. A page of the web reaches it through a browser on this machine, and everybody does
through a proxy on it, with whatever ``Host`` the proxy sends. Knows no route.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from harken.errors import Forbidden
from harken.server import sockets

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_OF_PROXIES = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip", "true-client-ip"})
"""Headers that proxies add, beside all that begin with ``x-forwarded-``."""


def check(scope: Scope, origins: Collection[str]) -> None:
    """Raise Forbidden for a request or a socket without a key that comes from elsewhere, as far as that can be seen.

    ``origins`` are pages that may have something done beside our own.
    """
    headers = Headers(scope=scope)
    if not _local(headers.get("host", "localhost")):
        raise Forbidden(
            "without keys this server answers to localhost only, so that no web page can read it under another "
            "name; make a key with harken keys create to serve it under names of its own"
        )
    passed = next((name for name in headers if _of_a_proxy(name)), None)
    if passed is not None:
        raise Forbidden(
            f"this request came through a proxy, by its header {passed}, and without keys this server would let in "
            "whoever the proxy does; make a key with harken keys create, and send it as 'Authorization: Bearer KEY'"
        )
    if scope["type"] == "http" and scope["method"] not in _SAFE:
        # No key that a stranger's page would have to know, and a form may be sent to us by any.
        sockets.check_origin(scope, origins)


def _of_a_proxy(header: str) -> bool:
    return header in _OF_PROXIES or header.startswith("x-forwarded-")


def _local(host: str) -> bool:
    """Whether a ``Host`` header names this machine by a name that no stranger's DNS can give."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
