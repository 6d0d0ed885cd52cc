"""Which addresses are asked: those of the public internet, looked up once, however the address is written."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import ConfigError
from components.data.remote.addresses import Addresses, checked_hosts, name_of, not_public
from components.data.remote.unfetched import Unfetched

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback"),
        ("127.8.8.8", "a loopback"),
        ("::1", "a loopback"),
        ("10.1.2.3", "a private or reserved"),
        ("172.16.0.1", "a private or reserved"),
        ("192.168.1.1", "a private or reserved"),
        ("100.64.0.1", "a private or reserved"),
        ("169.254.169.254", "a link-local"),
        ("fe80::1%eth0", "a link-local"),
        ("224.0.0.1", "a multicast"),
        ("ff02::1", "a multicast"),
        ("0.0.0.0", "an unspecified"),
        ("::", "an unspecified"),
        ("240.0.0.1", "a reserved"),
        ("255.255.255.255", "a reserved"),
        ("fc00::1", "a private or reserved"),
        ("fec0::1", "a site-local"),
        ("::ffff:127.0.0.1", "a loopback"),
        ("::ffff:a9fe:a9fe", "a link-local"),
        ("64:ff9b::7f00:1", "a loopback"),
        ("2002:7f00:1::", "a loopback"),
        ("2001:db8::1", "a private or reserved"),
    ],
)
def test_addresses_that_are_not_public_are_told_by_kind(address, kind):
    assert not_public(address) == f"{kind} address"


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_asked(address):
    assert not_public(address) is None
    target = Addresses(resolve=lambda host, port: [address]).target("https://pictures.example/a.png?w=1")
    assert (target.addresses, target.port, target.resource) == ((address,), 443, "/a.png?w=1")


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.0.0.1", "2130706433", "017700000001", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_loopback_is_refused_however_it_is_written(host):
    with pytest.raises(Unfetched) as refused:
        Addresses().target(f"http://{host}/")
    assert refused.value.reason == "address_refused"
    assert not refused.value.transient


def test_one_private_address_among_public_ones_is_enough():
    with pytest.raises(Unfetched, match=r"10\.0\.0\.1, a private.*allow_hosts: \['pictures.example:80'\]"):
        Addresses(resolve=lambda host, port: [PUBLIC, "10.0.0.1"]).target("http://pictures.example/")


def test_a_name_is_looked_up_once():
    asked = []
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    addresses = Addresses(resolve=lambda host, port: asked.append(host) or next(answers))
    assert addresses.target("http://rebinding.example/").addresses == (PUBLIC,)
    assert asked == ["rebinding.example"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://pictures.example/a.png", "ftp: is not fetched, only http and https"),
        ("file:///etc/passwd", "file: is not fetched"),
        ("gopher://x/", "gopher: is not"),
        ("http:///a.png", "names no host"),
        ("http://a b/", "blanks"),
        ("http://x.example/a\r\nHost: y", "blanks"),
        ("http://me:secret@x.example/", "names a user"),
        ("http://x.example:99999/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://me:secret@h\u2100.example/", "no URL"),
        ("http://b\u00fc..example/", r"b\u00fc\.\.example is no name of a host"),
        ("a.png", "no scheme"),
    ],
)
def test_what_is_no_url_of_a_picture_is_refused(url, says):
    with pytest.raises(Unfetched, match=says) as refused:
        Addresses(resolve=lambda host, port: [PUBLIC]).target(url)
    assert refused.value.reason == "address_refused"
    assert "secret" not in str(refused.value)


def test_a_host_is_allowed_by_name_or_by_name_and_port():
    for allow in (["localhost"], ["localhost:8080"], ["LOCALHOST:8080"]):
        assert Addresses(allow).target("http://localhost:8080/").port == 8080
    for allow in (["localhost:8081"], ["localhos"], ["ocalhost"], ["8080"]):
        with pytest.raises(Unfetched):
            Addresses(allow).target("http://localhost:8080/")
    assert Addresses(["[::1]:8080"], lambda host, port: [host]).target("http://[::1]:8080/").host == "::1"


def test_a_name_without_an_address_says_so():
    with pytest.raises(Unfetched, match=r"no-such-name\.invalid has no address") as failed:
        Addresses().target("http://no-such-name.invalid/")
    assert failed.value.reason == "fetch_failed"


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
def test_a_name_that_no_host_can_have_is_refused_before_anybody_is_asked(host):
    with pytest.raises(Unfetched, match=f"{host} is no name of a host") as refused:
        Addresses().target(f"http://{host}/a.png")
    assert (refused.value.reason, refused.value.transient) == ("address_refused", False)


def test_letters_beyond_ascii_are_asked_for_as_browsers_do():
    asked = []
    target = Addresses(resolve=lambda host, port: asked.append(host) or [PUBLIC]).target(
        "http://bücher.example/Käse.png?ö=1"
    )
    assert asked == ["xn--bcher-kva.example"] == [target.host]
    assert target.resource == "/K%C3%A4se.png?%C3%B6=1"


def test_a_host_with_letters_beyond_ascii_is_allowed_as_the_refusal_says():
    url, resolve = "http://Bücher.example/a.png", lambda host, port: ["10.0.0.7"]
    with pytest.raises(Unfetched, match=r"allow_hosts: \['xn--bcher-kva.example:80'\]"):
        Addresses(resolve=resolve).target(url)
    allow = checked_hosts(["xn--bcher-kva.example:80"])
    assert Addresses(allow, resolve).target(url).addresses == ("10.0.0.7",)


@given(st.text(max_size=40))
def test_any_text_has_a_name_and_a_clear_answer(text):
    for url in (text, f"http://{text}", f"https://x.example/{text}"):
        assert isinstance(name_of(url), str)
        with suppress(Unfetched):
            target = Addresses(resolve=lambda host, port: [PUBLIC]).target(url)
            assert target.addresses == (PUBLIC,)
            assert target.resource.isascii()
            assert target.host.isascii()


def test_a_name_shows_no_password_and_no_signature():
    signed = "https://me:pass@x.example/a.png?X-Amz-Signature=0a1b2c"
    assert name_of(signed).startswith("https://x.example/a.png?")
    assert name_of(signed).endswith(".png")
    assert not any(secret in name_of(signed) for secret in ("pass", "me:", "0a1b2c", "Signature"))
    assert name_of(signed) != name_of(signed + "d") != name_of("https://x.example/a.png") == "https://x.example/a.png"


def test_a_key_of_s3_is_its_whole_name():
    assert name_of("s3://b/my cat? #1.png") == "s3://b/my cat? #1.png"
    assert "secret" not in name_of("s3://me:secret@b/a.png")


@pytest.mark.parametrize("hosts", ["127.0.0.1", ["http://x"], [7], ["a b"], ["s3://a/b"], [""]])
def test_what_is_no_list_of_hosts_is_refused(hosts):
    with pytest.raises(ConfigError, match=r"source\.allow_hosts is"):
        checked_hosts(hosts)
    assert checked_hosts(["a.b:1", "s3://bucket", "[::1]:80"]) == ("a.b:1", "s3://bucket", "[::1]:80")
    assert checked_hosts(None) == ()
