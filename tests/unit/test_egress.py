from ipaddress import ip_address

import pytest

from mcphub.domain.egress import denied, dialled_host, literal

DENIED = [
    *("127.0.0.1", "::1", "2130706433", "0x7f.1", "017700000001", "169.254.169.254", "::ffff:169.254.169.254"),
    *("10.0.0.5", "172.20.1.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("224.0.0.1", "192.0.0.192", "198.18.0.1", "fe80::1", "100::1", "2001::1", "255.255.255.255", "::"),
]


@pytest.mark.parametrize("host", DENIED)
def test_these_are_never_dialled(host):
    assert denied(literal(host), loopback=False)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "192.0.1.1", "64:ff9b::808:808"])
def test_the_open_network_is_dialled(host):
    assert not denied(ip_address(host), loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_dialled_for_servers_an_administrator_added(host):
    assert not denied(ip_address(host))


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe"])
def test_no_allow_list_opens_cloud_metadata(host):
    assert denied(ip_address(host), ["0.0.0.0/0", "::/0"])


def test_the_operator_opens_a_network():
    assert not denied(ip_address("10.1.2.3"), ["10.1.0.0/16"])
    assert not denied(ip_address("::ffff:10.1.2.3"), ["10.1.0.0/16"])
    assert denied(ip_address("10.2.2.3"), ["10.1.0.0/16"])


@pytest.mark.parametrize("host", ["localhost", "h.example", "1.2.3.4.5", "1.2.3.256x", "", "256.1.1.1", "a.1"])
def test_a_name_spells_out_no_address(host):
    assert literal(host) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("10.1.", "10.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_seen_in_every_form_a_resolver_takes(host, address):
    assert literal(host) == ip_address(address)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://H.example:8443/x", "h.example"),
        ("http://[::1]:9/", "::1"),
        ("ftp://h/", None),
        ("h/x", None),
        ("https:///x", None),
        ("https://h:0/", None),
        ("https://h:x/", None),
        ("https://a\tb/", None),
        ("https://a\\@b/", None),
        ("https://[::1/", None),
    ],
)
def test_the_host_of_an_address(url, host):
    assert dialled_host(url) == host
