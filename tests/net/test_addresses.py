# SPDX-License-Identifier: Apache-2.0
"""Which URLs are taken, in which form, and which addresses are public."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harken.errors import InvalidOption
from harken.net.addresses import Address, effective, is_public, networks, parse, port_ranges


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/a?b=c#d", "https://example.com/a?b=c"),
        ("http://example.com.:8080/", "http://example.com:8080/"),
        ("http://example.com:/x", "http://example.com/x"),
        ("http://münchen.example/ä%20b?q=ü", "http://xn--mnchen-3ya.example/%C3%A4%20b?q=%C3%BC"),
        ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]:81/", "http://[::ffff:7f00:1]:81/"),
        ("http://my_host.example/a@b", "http://my_host.example/a@b"),
    ],
)
def test_urls_have_one_form(url: str, canonical: str) -> None:
    # Python 3.13 writes mapped addresses with dots.
    assert parse(url).url.replace("[::ffff:127.0.0.1]", "[::ffff:7f00:1]") == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/a.mp3",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http:///a",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://exa mple.com/",
        "http://example.com/\r\nX: y",
        "\thttp://example.com/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.:0/",
        "http://example.0x/",
        "http://1.2.3.4.5/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://[127.0.0.1]/",
        "http://example..com/",
        "http://.example.com/",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://-example.com/",
        "http://" + "a." * 130 + "com/",
        "http://example.com/" + "a" * 9000,
    ],
)
def test_what_programs_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        parse(url, param="webhook_url")
    assert caught.value.param == "webhook_url"
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_target_or_refused(text: str) -> None:
    for url in (text, "http://" + text, "http://example.com/" + text):
        try:
            target = parse(url)
        except InvalidOption:
            continue
        assert target.url.isascii()
        assert not set(target.url) & set(" \r\n\\")
        assert parse(target.url) == target


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "11.0.0.1",
        "172.32.0.1",
        "192.169.0.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2606:4700::1111",
        "2a00:1450:4001:82f::200e",
    ],
)
def test_what_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_private(address: Address) -> None:
    if is_public(address):
        meant = effective(address)
        assert not any(
            (meant.is_private, meant.is_loopback, meant.is_link_local, meant.is_multicast, meant.is_unspecified)
        )


def test_ports_and_networks_of_the_operator() -> None:
    assert port_ranges(["80", "8000-8002"]) == (range(80, 81), range(8000, 8003))
    for wrong in ("", "http", "0", "80-79", "1-70000", "-5"):
        with pytest.raises(ValueError, match="port"):
            port_ranges([wrong])
    assert [str(network) for network in networks(["10.0.0.0/8", "::1"])] == ["10.0.0.0/8", "::1/128"]
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        networks(["10.0.0.1/8"])
