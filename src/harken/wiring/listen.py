# SPDX-License-Identifier: Apache-2.0
"""The socket that the server listens on."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

from harken.config import Settings
from harken.errors import InvalidOption


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """A socket that listens where the settings say. Raises InvalidOption with what to do when it cannot."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise InvalidOption(
                f"cannot listen on {settings.host} port {settings.port}: {os.strerror(error.errno or 0)}; "
                "choose another with --host, --port or HARKEN_HOST, HARKEN_PORT"
            ) from None
        listener.listen(1024)
        yield listener
