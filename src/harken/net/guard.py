# SPDX-License-Identifier: Apache-2.0
"""The one door to the network: a name is looked up once, its addresses are checked, and one of these is connected to.

So there is no moment between check and use in which a name could come to mean something else (DNS rebinding). Knows
nothing of what is said over the connection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence

from harken.errors import AddressRefused, FetchFailed, FetchTimeout
from harken.net.addresses import DEFAULT_PORTS, Address, Network, effective, is_public
from harken.net.watch import Watch

Resolver = Callable[[str, int], Sequence[str]]
"""Every address of a host, as text. Raises OSError."""

_TRIES = 6
"""Addresses of one name that are tried."""


def look_up(host: str, port: int) -> list[str]:
    """The :data:`Resolver` of the system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """What may be called: the public internet, and the networks that the operator allows.

    Args:
        allow: networks that may be called although they are not public.
        ports: ports that may be called, wherever.
        resolve: looks names up.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        ports: Sequence[range] = DEFAULT_PORTS,
        resolve: Resolver = look_up,
    ) -> None:
        self._allow = tuple(allow)
        self._ports = tuple(ports)
        self._resolve = resolve

    def admit(self, host: str, port: int) -> None:
        """Refuse what needs no look-up to be refused. Raises AddressRefused."""
        if not any(port in ports for ports in self._ports):
            raise AddressRefused(f"this server does not call port {port}; ask its operator to allow it")
        with contextlib.suppress(ValueError):
            self._check(ipaddress.ip_address(host), host)

    def connect(self, host: str, port: int, watch: Watch) -> socket.socket:
        """A connection to ``host``, which is a name or an address as :class:`~harken.net.addresses.Target` has it.

        Raises:
            AddressRefused: the port, or one of the host's addresses, may not be called.
            FetchFailed: it cannot be found or reached.
            FetchTimeout, JobCancelled.
        """
        self.admit(host, port)
        until = time.monotonic() + watch.connecting()
        addresses = self._addresses(host, port, until)
        failure: OSError | None = None
        for number, address in enumerate(addresses):
            watch.check()
            share = (until - time.monotonic()) / (len(addresses) - number)
            try:
                return _dial(address, port, share)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise FetchTimeout("the server at the address does not answer")
        raise FetchFailed("the server at the address cannot be reached", detail=f"{host}: {failure}")

    def _addresses(self, host: str, port: int, until: float) -> list[Address]:
        try:
            texts = _within(until, lambda: self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise FetchFailed("the host of the address cannot be found; check its name", detail=host) from error
        addresses = [ipaddress.ip_address(text) for text in texts]
        if not addresses:
            raise FetchFailed("the host of the address cannot be found; check its name", detail=host)
        for address in addresses:
            self._check(address, host)
        return addresses[:_TRIES]

    def _check(self, address: Address, host: str) -> None:
        meant = effective(address)
        if any(meant in network for network in self._allow):
            return
        if not is_public(address) or _is_own(meant):
            raise AddressRefused(
                "the address leads to a network that this server may not call; ask its operator to allow it",
                detail=f"{host} is {address}",
            )


def _dial(address: Address, port: int, timeout: float) -> socket.socket:
    if timeout <= 0:
        raise TimeoutError
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.settimeout(timeout)
        line.connect((str(address), port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        line.close()
        raise
    return line


def _is_own(address: Address) -> bool:
    """Whether this machine has ``address``: it reaches itself from itself. Nothing is sent to find out.

    A machine's own public address leads past the firewall before it, to what should be reached from inside only.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0]) == address


def _within(until: float, look: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What ``look`` returns; the system's resolver cannot be given a limit, so it is left behind in its thread."""
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(look())
        except Exception as error:  # noqa: BLE001 -- raised by the thread that waits
            answers.put(error)

    threading.Thread(target=run, name="harken-lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, until - time.monotonic()))
    except queue.Empty:
        raise FetchTimeout("the host of the address is not found in time; check its name") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
