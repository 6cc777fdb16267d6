# SPDX-License-Identifier: Apache-2.0
"""A name is looked up once, all of its addresses are checked, and one of these is connected to."""

from __future__ import annotations

import socket
import threading

import pytest
from tests.net.far import Far

from harken.errors import AddressRefused, FetchFailed, FetchTimeout, JobCancelled
from harken.net import guard as guard_module
from harken.net.addresses import networks
from harken.net.guard import Guard, look_up
from harken.net.watch import Limits, Watch

LIMITS = Limits(max_bytes=1000)


def test_loopback_is_refused_by_whatever_name(far: Far) -> None:
    for host in ("127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0"):
        with pytest.raises(AddressRefused) as caught:
            Guard().connect(host, far.port, Watch(LIMITS))
        assert "127" not in caught.value.message
    assert far.calls == 0


def test_the_operator_allows_networks(far: Far) -> None:
    guard = Guard(networks(["127.0.0.0/8"]))
    for host in ("127.0.0.1", "::ffff:127.0.0.1"):
        guard.connect(host, far.port, Watch(LIMITS)).close()
    with pytest.raises(AddressRefused):
        Guard(networks(["127.0.0.2/32", "10.0.0.0/8"])).connect("127.0.0.1", far.port, Watch(LIMITS))


def test_every_address_of_a_name_is_checked(far: Far) -> None:
    for addresses in (["127.0.0.1", "10.0.0.1"], ["169.254.169.254", "127.0.0.1"], ["127.0.0.1", "fe80::1%lo"]):
        guard = Guard(networks(["127.0.0.1"]), resolve=lambda host, port, found=addresses: found)  # type: ignore[misc]
        with pytest.raises(AddressRefused):
            guard.connect("mixed.example", far.port, Watch(LIMITS))
    assert far.calls == 0


def test_a_name_that_changes_its_mind_is_looked_up_once(far: Far) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with Guard(networks(["127.0.0.1"]), resolve=rebinding).connect("rebind.example", far.port, Watch(LIMITS)) as line:
        assert line.getpeername() == ("127.0.0.1", far.port)
    assert asked == ["rebind.example"]


def test_the_next_address_is_tried(far: Far) -> None:
    guard = Guard(networks(["127.0.0.0/8"]), resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    with guard.connect("two.example", far.port, Watch(LIMITS)) as line:
        assert line.getpeername()[0] == "127.0.0.1"


def test_ports_are_bounded_before_anything_is_looked_up() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    for port in (1, 22, 25, 1023):
        with pytest.raises(AddressRefused, match=str(port)):
            Guard(resolve=never).connect("example.com", port, Watch(LIMITS))
    with pytest.raises(AddressRefused):
        Guard(ports=[range(443, 444)], resolve=never).connect("example.com", 80, Watch(LIMITS))


def test_a_name_that_is_not_found_and_a_port_that_nobody_has(guard: Guard) -> None:
    def missing(host: str, port: int) -> list[str]:
        raise socket.gaierror("no such host")

    with pytest.raises(FetchFailed, match="found"):
        Guard(resolve=missing).connect("missing.example", 80, Watch(LIMITS))
    with pytest.raises(FetchFailed, match="found"):
        Guard(resolve=lambda host, port: []).connect("empty.example", 80, Watch(LIMITS))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchFailed, match="reached"):
        guard.connect("127.0.0.1", port, Watch(LIMITS))


def test_a_look_up_that_never_ends_is_left_behind() -> None:
    over = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        over.wait()
        return []

    try:
        with pytest.raises(FetchTimeout, match="found"):
            Guard(resolve=silent).connect("slow.example", 80, Watch(Limits(max_bytes=1, connect=0.05)))
    finally:
        over.set()


def test_whoever_cancels_is_heard_first(far: Far, guard: Guard) -> None:
    with pytest.raises(JobCancelled):
        guard.connect("127.0.0.1", far.port, Watch(LIMITS, lambda: True))
    assert far.calls == 0


def test_a_public_address_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It leads past the firewall before the machine, to what is to be reached from inside only."""
    monkeypatch.setattr(guard_module, "is_public", lambda address: True)
    with pytest.raises(AddressRefused):
        Guard().admit("127.0.0.1", 8000)
    Guard().admit("198.51.100.1", 8000)


def test_the_system_looks_names_up() -> None:
    assert set(look_up("localhost", 80)) & {"127.0.0.1", "::1"}
