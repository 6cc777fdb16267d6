# SPDX-License-Identifier: Apache-2.0
"""The API process: the server over a service that wiring builds."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator

import typer

from harken.config import Settings
from harken.server import serving
from harken.server.app import AppConfig, create_app
from harken.wiring import api as wiring
from harken.wiring.accounts import Gate
from harken.wiring.listen import listening
from harken.worker.heartbeat import start_beating

log = logging.getLogger(__name__)


def run(settings: Settings, descriptor: int | None = None) -> int:
    """Run the API process until it is told to stop, on a socket that listens already or on one of its own."""
    with contextlib.ExitStack() as stack:
        service, store, gate, office = stack.enter_context(wiring.service(settings))
        _tell(gate, settings)
        if descriptor is None:
            listener = stack.enter_context(listening(settings))
        else:
            listener = stack.enter_context(socket.socket(fileno=descriptor))
        app = create_app(
            service,
            gate,
            AppConfig(
                cors_origins=settings.cors_origins,
                max_upload_bytes=settings.max_upload_bytes,
                max_concurrent_requests=settings.max_concurrent_requests,
                requests_per_minute=settings.requests_per_minute,
                wrong_keys_per_minute=settings.wrong_keys_per_minute,
                sync_timeout=settings.sync_timeout,
                stopping=lambda: server.should_exit,
                installed=lambda: {model.name for model in store.installed()},
                runtime={"device": settings.device, "compute_type": settings.compute_type},
            ),
            office,
        )
        server = serving.server(app, drain=max(1, round(settings.drain_seconds / 2)))
        start_beating()
        # uvicorn, once it has stopped, sends the signal on to whoever had it before. By default that ends the process
        # there and then, and nothing of what is open here would be closed.
        with _told_by(signal.SIGTERM, lambda: setattr(server, "should_exit", True)):
            server.run(sockets=[listener])
    return 0


@contextlib.contextmanager
def _told_by(number: signal.Signals, stop: Callable[[], None]) -> Iterator[None]:
    earlier = signal.signal(number, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(number, earlier)


def _tell(gate: Gate, settings: Settings) -> None:
    """What the operator must know at the start: the first password, this once, and that nobody can call yet."""
    password = gate.admin.first_password()
    if password is not None:
        # Not into the log, which is kept.
        typer.echo(f"The administrator's password for /admin, not shown again: {password}")
    if not settings.api_keys and not gate.accounts.open and not gate.accounts.keys():
        log.warning(
            "%s can be reached from other machines, and there is no key yet: everything but health answers 401. "
            "Make one with harken keys create NAME",
            settings.host,
        )
