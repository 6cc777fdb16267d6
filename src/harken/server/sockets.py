# SPDX-License-Identifier: Apache-2.0
"""Web sockets, where they are not as requests are: keys in a subprotocol, pages of others, ends told by a code.

A browser can set no header on a web socket and asks nobody whether it may read one. So a key may come as the second of
the subprotocols ``bearer`` and KEY, and the page that opens a socket must be from here or be let in by the settings.
Knows no dialect.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from harken.errors import Forbidden
from harken.server.auth import bearer

BEARER = "bearer"
"""The subprotocol that says that the next one is a key, and the one that is spoken then."""

NORMAL = 1000
RESTART = 1012
_CODES: Mapping[int, int] = {
    400: 4400,
    401: 4401,
    403: 4403,
    404: 4404,
    429: 1013,
    503: 1013,
}
_FAULT = 1011


def close_code(status: int) -> int:
    """The code that a socket is closed with, where a request would be answered with ``status``."""
    return _CODES.get(status, _FAULT)


def protocol(scope: Scope) -> str | None:
    """The subprotocol to accept: browsers want one of those that they offered."""
    offered = scope["subprotocols"]
    return BEARER if offered and offered[0] == BEARER else None


def keys(scope: Scope) -> tuple[str | None, ...]:
    """The key of whoever opens a socket, as it may be read; None for none.

    What no subprotocol can have in it (``/`` and ``=``, say) may be written as in a URL.
    """
    authorization = Headers(scope=scope).get("authorization")
    offered = scope["subprotocols"]
    if authorization is not None or protocol(scope) is None or len(offered) < 2:
        return (bearer(authorization),)
    return offered[1], unquote(offered[1])


def check_origin(scope: Scope, allowed: Collection[str]) -> None:
    """Raise Forbidden when a page of another host opens the socket or asks, and the settings do not name it.

    Programs that are no browsers send no origin.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or origin in allowed or "*" in allowed:
        return
    with contextlib.suppress(ValueError):
        # The scheme does not count: a proxy before us may speak TLS.
        if urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != "":
            return
    raise Forbidden(f"pages from {origin} may not use this server; HARKEN_CORS_ORIGINS says which may")


async def end(
    message: dict[str, Any], code: int, scope: Scope, receive: Receive, send: Send, *, accepted: bool
) -> None:
    """Send a last message and close; a socket that is not accepted yet is, since browsers read no refusal."""
    if not accepted:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": protocol(scope), "headers": []})
    await send({"type": "websocket.send", "text": json.dumps(message, ensure_ascii=False)})
    await send({"type": "websocket.close", "code": code, "reason": ""})
