"""A body that breaks is gone on with where the server can tell its version, and bytes of two versions are never joined."""

import io
from email.message import Message
from pathlib import Path

import pytest

from components.data.remote.fetcher import Fetcher
from components.data.remote.part import Part, content_range, strong_validator
from components.data.remote.unfetched import Unfetched
from tests.seaweed import Fault
from tests.web_server import Web, serving

BODY = bytes(range(256)) * 900
THIRD = len(BODY) // 3
MOST = 2**20


@pytest.fixture
def web():
    with serving(Web({"/a.tar": BODY})) as web:
        yield web


@pytest.fixture
def fetcher(web, tmp_path):
    return Fetcher([web.host], folder=tmp_path / "kept", wait=lambda seconds: None)


def fetched(fetcher: Fetcher, url: str) -> bytes:
    fetcher.fetch(url, url, MOST)
    return fetcher.store.path_of(url).read_bytes()


def test_only_the_rest_is_asked_for_of_the_version_that_came(fetcher, web):
    assert fetched(fetcher, web.url("/ranged/well/a.tar")) == BODY
    [first, then] = web.ranges
    assert first is None
    assert then[0] == f"bytes={THIRD}-"
    assert then[1].startswith('"')


def test_each_try_goes_on_where_the_one_before_it_ended(fetcher, web):
    assert fetched(fetcher, web.url("/ranged/thrice/a.tar")) == BODY
    assert [one and one[0] for one in web.ranges] == [None, f"bytes={THIRD}-", f"bytes={2 * THIRD}-"]


def test_a_date_names_the_version_where_no_etag_does(fetcher, web):
    assert fetched(fetcher, web.url("/ranged/dated/a.tar")) == BODY
    assert web.ranges[1] == (f"bytes={THIRD}-", "Wed, 21 Oct 2015 07:28:00 GMT")


@pytest.mark.parametrize("how", ["weak", "fresh", "none"])
def test_where_the_version_is_not_sure_or_ranges_are_not_offered_all_is_asked_for_again(fetcher, web, how):
    assert fetched(fetcher, web.url(f"/ranged/{how}/a.tar")) == BODY
    assert web.ranges == [None, None]


@pytest.mark.parametrize(("how", "requests"), [("replaced", 2), ("deaf", 3), ("astray", 3), ("empty", 3)])
def test_bytes_of_two_versions_or_places_are_never_joined(fetcher, web, how, requests):
    body = BODY[::-1] if how in ("replaced", "deaf") else BODY
    assert fetched(fetcher, web.url(f"/ranged/{how}/a.tar")) == body
    assert len(web.ranges) == requests
    assert web.ranges[1] is not None
    assert web.ranges[2:] in ([], [None]), "then all is asked for, from the beginning"


def test_what_is_too_large_is_so_in_parts_as_well(web, tmp_path):
    fetcher = Fetcher([web.host], folder=tmp_path / "kept", wait=lambda seconds: None)
    with pytest.raises(Unfetched, match=r"230,400 bytes; at most 200,000 are read"):
        fetcher.fetch(web.url("/ranged/thrice/a.tar"), "x", 200_000)


@pytest.fixture
def stored(bucket, proxy, monkeypatch):
    """The URL of an object, asked for through the faulty proxy."""
    client, name = bucket
    client.put_object(Bucket=name, Key="a.tar", Body=BODY)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    proxy.fault, proxy.ranges = None, []
    return f"s3://{name}/a.tar"


def of_s3(tmp_path: Path, wait=lambda seconds: None) -> Fetcher:
    return Fetcher(folder=tmp_path / "kept", wait=wait)


@pytest.mark.parametrize("bare", [False, True])
def test_an_object_is_gone_on_with(stored, proxy, tmp_path, bare):
    proxy.fault = Fault(cut=THIRD, turns=2, bare=bare)
    fetcher = of_s3(tmp_path)
    assert fetched(fetcher, stored) == BODY
    assert [one is not None for one in proxy.ranges] == [False, True, True]
    assert int(proxy.ranges[2].removeprefix("bytes=").removesuffix("-")) > int(
        proxy.ranges[1].removeprefix("bytes=").removesuffix("-")
    )


def test_an_object_that_is_replaced_between_two_tries_comes_whole_and_new(stored, bucket, proxy, tmp_path):
    client, name = bucket
    new = BODY[::-1]
    proxy.fault = Fault(cut=THIRD, turns=1)
    fetcher = of_s3(tmp_path, lambda seconds: client.put_object(Bucket=name, Key="a.tar", Body=new))
    assert fetched(fetcher, stored) == new
    assert [one is not None for one in proxy.ranges] == [False, True, False]


def test_an_object_of_which_a_version_was_listed_is_not_taken_in_another(stored, bucket, proxy, tmp_path):
    client, name = bucket
    version = client.head_object(Bucket=name, Key="a.tar")["ETag"]
    proxy.fault = Fault(cut=THIRD, turns=1)
    fetcher = of_s3(tmp_path, lambda seconds: client.put_object(Bucket=name, Key="a.tar", Body=b"new"))
    with pytest.raises(Unfetched, match=r"412 .*it was changed meanwhile"):
        fetcher.fetch(stored, "x", MOST, version)
    assert len(proxy.ranges) == 2
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_a_rest_that_is_damaged_on_the_way_is_thrown_away_with_what_came_before_it(stored, proxy, tmp_path):
    """The first third is sound, the rest is not, and nobody says so but the digest of the whole."""
    faults = iter([Fault(flip=True, turns=1, bare=True), None])
    proxy.fault = Fault(cut=THIRD, turns=1, bare=True)

    def next_fault(seconds: float) -> None:
        proxy.fault = next(faults)

    assert fetched(of_s3(tmp_path, next_fault), stored) == BODY
    assert [one is not None for one in proxy.ranges] == [False, True, False]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes 5-9/*", (5, None)),
        ("bytes */10", None),
        ("5-9/10", None),
        ("", None),
        (None, None),
    ],
)
def test_a_content_range_says_where_it_begins_and_of_how_much(said, place):
    found = content_range(said)
    assert (found and (found.first, found.total)) == place


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"'}, ""),
        ({"ETag": "a"}, ""),
        (
            {
                "ETag": 'W/"a"',
                "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
                "Date": "Wed, 21 Oct 2016 07:28:00 GMT",
            },
            "",
        ),
        ({"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:59 GMT"}, ""),
        ({"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, ""),
        ({"Last-Modified": "yesterday", "Date": "today"}, ""),
        ({}, ""),
    ],
)
def test_only_what_names_a_version_for_sure_is_a_validator(headers, validator):
    message = Message()
    for name, value in headers.items():
        message[name] = value
    assert strong_validator(message) == validator


def test_what_did_not_begin_where_the_part_ends_is_not_its_rest():
    part = Part(io.BytesIO())
    part.begin(10, '"a"')
    assert not part.goes_on("bytes 0-9/10", '"a"'), "nothing came yet"
    part.write(b"12345")
    assert part.goes_on("bytes 5-9/10", '"a"')
    assert not part.goes_on("bytes 4-9/10", '"a"')
    assert not part.goes_on("bytes 5-9/11", '"a"')
    assert not part.goes_on("bytes 5-9/10", '"b"')
    assert not part.goes_on(None, '"a"')
