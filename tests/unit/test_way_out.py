"""What the processes of servers are told of the way out."""

from pathlib import Path

from mcphub.gateway.upstream.children import environment
from mcphub.gateway.way_out import WayOut
from mcphub.settings import read

PROXY = "http://hub:password@proxy.example:3128"


def test_processes_of_servers_are_told_nothing_unless_the_operator_wants_that():
    assert WayOut.of(read({"MCPHUB_EGRESS_PROXY": PROXY})).for_children() == {}
    assert WayOut.of(read({"MCPHUB_EGRESS_CHILDREN": "on"})).for_children() == {}


def test_processes_of_servers_are_told_of_the_proxy_in_both_spellings():
    told = WayOut.of(
        read({"MCPHUB_EGRESS_PROXY": PROXY, "MCPHUB_EGRESS_CHILDREN": "on", "MCPHUB_EGRESS_DIRECT": "corp.example"})
    ).for_children()

    assert told == {
        "http_proxy": PROXY,
        "HTTP_PROXY": PROXY,
        "https_proxy": PROXY,
        "HTTPS_PROXY": PROXY,
        "no_proxy": "127.0.0.1,localhost,::1,corp.example",
        "NO_PROXY": "127.0.0.1,localhost,::1,corp.example",
    }


def test_processes_of_servers_find_the_certificates_of_the_company(tmp_path):
    from tests.support.private_ca import PrivateCa

    told = WayOut(ca_file=PrivateCa(tmp_path).file, children=True).for_children()

    assert set(told) == {"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    assert {Path(value) for value in told.values()} == {tmp_path / "company-ca.pem"}


def test_a_servers_own_configuration_counts_and_what_the_hub_says_counts_more(tmp_path):
    env = environment(
        "npx", tmp_path, {}, {"no_proxy": "own", "MCPHUB_USER_ID": "eve"}, {"MCPHUB_USER_ID": "bob"}, {"no_proxy": "x"}
    )

    assert (env["no_proxy"], env["MCPHUB_USER_ID"]) == ("own", "bob")
