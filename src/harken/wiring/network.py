# SPDX-License-Identifier: Apache-2.0
"""What may be called over the network, and recordings from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from harken.config import Settings
from harken.errors import AddressRefused
from harken.model import DeliveryState
from harken.net import landing, sites
from harken.net.addresses import DEFAULT_PORTS, networks, parse, port_ranges
from harken.net.guard import Guard
from harken.net.recordings import obtained
from harken.net.watch import Limits
from harken.net.webhook import Outcome, deliver
from harken.ports import Receipt, Recording, Send


def guard(settings: Settings) -> Guard:
    """The one door to the network."""
    return Guard(networks(settings.fetch_allow), port_ranges(settings.fetch_ports) or DEFAULT_PORTS)


def admission(door: Guard) -> Callable[[str, str], str]:
    """What a service asks before it takes a URL: no name is looked up for it."""

    def admit(url: str, param: str) -> str:
        target = parse(url, param=param)
        try:
            door.admit(target.host, target.port)
        except AddressRefused as error:
            raise AddressRefused(error.message, param=param, detail=error.detail) from error
        return target.url

    return admit


def sender(door: Guard) -> Send:
    """What sends webhooks."""
    states = {Outcome.DELIVERED: DeliveryState.DELIVERED, Outcome.FAILED: DeliveryState.WAITING}

    def send(
        url: str, body: bytes, secrets: Sequence[str], message_id: str, timestamp: int, cancelled: Callable[[], bool]
    ) -> Receipt:
        found = deliver(door, url, body, secrets, message_id=message_id, timestamp=timestamp, cancelled=cancelled)
        state = states.get(found.outcome, DeliveryState.FAILED)
        return Receipt(state, found.status, found.reason, found.retry_after)

    return send


class GuardedRecordings:
    """The :class:`~harken.ports.Recordings` of the network, spooled where uploads are."""

    def __init__(self, settings: Settings) -> None:
        self._guard = guard(settings)
        self._folder = settings.spool_dir
        landing.sweep(self._folder)
        sites.sweep(self._folder)
        self._limits = Limits(
            max_bytes=settings.max_upload_bytes,
            max_audio=settings.max_audio_seconds,
            min_free=settings.min_free_bytes,
            total=settings.fetch_timeout,
            slowest=settings.fetch_slowest,
        )

    @contextmanager
    def obtained(self, url: str, cancelled: Callable[[], bool]) -> Iterator[Recording]:
        """See :class:`~harken.ports.Recordings`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with obtained(url, self._folder, self._guard, self._limits, cancelled=cancelled) as upload:
            yield upload
