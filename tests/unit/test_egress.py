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


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (("0.0.0.0", "0.255.255.255"), ("1.0.0.0",)),
        (("10.0.0.0", "10.255.255.255"), ("9.255.255.255", "11.0.0.0")),
        (("100.64.0.0", "100.127.255.255"), ("100.63.255.255", "100.128.0.0")),
        (("127.0.0.0", "127.255.255.255"), ("126.255.255.255", "128.0.0.0")),
        (("169.254.0.0", "169.254.255.255"), ("169.253.255.255", "169.255.0.0")),
        (("172.16.0.0", "172.31.255.255"), ("172.15.255.255", "172.32.0.0")),
        (("192.0.0.0", "192.0.0.255", "192.0.2.0", "192.0.2.255"), ("192.0.1.0", "192.0.3.0")),
        (("192.88.99.0", "192.88.99.255"), ("192.88.98.255", "192.88.100.0")),
        (("192.168.0.0", "192.168.255.255"), ("192.167.255.255", "192.169.0.0")),
        (("198.18.0.0", "198.19.255.255"), ("198.17.255.255", "198.20.0.0")),
        (("198.51.100.0", "198.51.100.255"), ("198.51.99.255", "198.51.101.0")),
        (("203.0.113.0", "203.0.113.255"), ("203.0.112.255", "203.0.114.0")),
        (("224.0.0.0", "239.255.255.255", "240.0.0.0", "255.255.255.255"), ("223.255.255.255",)),
        (("100::", "100::ffff:ffff:ffff:ffff"), ("100:0:0:1::",)),
        (("2001::", "2001:1ff:ffff::"), ("2001:200::",)),
        (("2001:db8::", "2001:db8:ffff::"), ("2001:db7:ffff::", "2001:db9::")),
        (("3fff::", "3fff:fff::"), ("3ffe:ffff::", "3fff:1000::")),
        (("5f00::", "5f00:ffff::"), ("5f01::",)),
        (("fc00::", "fdff::"), ("fbff::", "fe00::")),
        (("fe80::", "febf::", "fec0::", "feff::", "ff00::", "ffff::"), ("fe7f::",)),
        (("::ffff:10.1.1.1", "64:ff9b::10.1.1.1", "2002:a01:101::"), ("::ffff:8.8.8.8", "2002:808:808::")),
        (("2001:0:4136:e378:8000:63bf:3fff:fdd2",), ()),  # Teredo, whatever it carries
    ],
)
def test_the_denied_networks_end_where_they_should(inside, outside):
    assert [host for host in inside if not denied(ip_address(host), loopback=False)] == []
    assert [host for host in outside if denied(ip_address(host), loopback=False)] == []


def test_an_allow_list_opens_nothing_beside_it():
    assert denied(ip_address("127.0.0.1"), ["10.0.0.0/8"], loopback=False)
    assert not denied(ip_address("127.0.0.1"), ["127.0.0.0/8"], loopback=False)
    assert denied(ip_address("fd00::1"), ["10.0.0.0/8"])
