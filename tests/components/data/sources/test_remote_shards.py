"""Shards that lie elsewhere, below a prefix of a real S3 server or over http: read as if they lay here, and known by version."""

import io
import json
import tarfile

import pytest

from components.contracts.errors import ConfigError, DataError, TransientError
from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.remote.files import expanded
from components.data.sources import build_source
from components.data.sources.webdataset import WebDatasetSource
from components.data.sources.which_url import describe_url
from tests.seaweed import Fault
from tests.shards import add, members_of
from tests.web_server import Web, serving


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def shards(own) -> dict[str, bytes]:
    """Six shards of ten records: name -> bytes."""
    members = members_of(*own)
    made = {}
    for place in range(6):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, data in members[30 * place : 30 * place + 30]:
                add(tar, name, data)
        made[f"{place:03d}.tar"] = file.getvalue()
    return made


@pytest.fixture
def stored(bucket, shards):
    """The shards in a bucket below cc/; its URL."""
    client, name = bucket
    for shard, data in shards.items():
        client.put_object(Bucket=name, Key=f"cc/{shard}", Body=data)
    return f"s3://{name}/cc"


@pytest.fixture
def web(shards):
    with serving(Web({f"/cc/{name}": data for name, data in shards.items()})) as web:
        yield web


def kept(tmp_path):
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_shards_of_a_bucket_come_in_as_if_they_lay_here(stored, shards, tmp_path):
    (tmp_path / "cc").mkdir()
    for name, data in shards.items():
        (tmp_path / "cc" / name).write_bytes(data)
    here = ingest(WebDatasetSource(str(tmp_path / "cc")), tmp_path / "here", 0)
    there = ingest(build_source(describe_url(stored)), tmp_path / "there", 0)
    assert here["digest"] == there["digest"]
    assert here["samples"] == there["samples"] == 60
    assert not kept(tmp_path), "nothing stays but the snapshot"


def test_source_json_says_which_version_came_in(stored, shards, tmp_path):
    said = describe_url(stored)
    ingest(build_source(said), tmp_path / "raw", 0)
    remote = json.loads((tmp_path / "raw/source.json").read_text())["source"]["remote"]
    assert remote["version"] == said["version"]
    assert [file["name"] for file in remote["files"]] == list(shards)
    assert [file["size_bytes"] for file in remote["files"]] == [len(data) for data in shards.values()]
    assert remote["files"][0]["url"] == f"{stored}/000.tar"
    assert all(len(file["version"]) == 34 for file in remote["files"]), "an MD5 in quotes"


def test_another_version_than_was_chosen_is_refused_until_it_is_chosen(stored, bucket, shards):
    said = describe_url(stored)
    client, name = bucket
    client.put_object(Bucket=name, Key="cc/005.tar", Body=shards["004.tar"])
    with pytest.raises(
        DataError, match=rf"is version \w+ now, and source\.version in params.yaml is {said['version']}.*run --data URL"
    ):
        list(build_source(said).samples(0, silent))
    assert describe_url(stored)["version"] != said["version"]
    assert len(list(build_source({**said, "version": None}).samples(0, silent))) == 60


def test_names_of_classes_beside_the_shards_are_read(bucket, stored, own):
    client, name = bucket
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for number, (picture, (caption, _)) in enumerate(own[1].items()):
            add(tar, f"{number}.png", (own[0] / picture).read_bytes())
            add(tar, f"{number}.txt", caption.encode())
            add(tar, f"{number}.cls", str(number % 2).encode())
    client.put_object(Bucket=name, Key="labelled/0.tar", Body=file.getvalue())
    client.put_object(Bucket=name, Key="labelled/classnames.txt", Body=b"even\nodd\n")
    client.put_object(Bucket=name, Key="labelled/README.md", Body=b"#")
    source = WebDatasetSource(url=f"s3://{name}/labelled")
    assert [sample.labels["category"] for sample in source.samples(0, silent)][:3] == ["even", "odd", "even"]
    assert source.describe()["without"]["files of another kind"] == "1: README.md"


def test_a_shard_that_is_spoiled_where_it_lies_is_a_row_as_one_here_is(bucket, stored, shards, tmp_path):
    client, name = bucket
    client.put_object(Bucket=name, Key="cc/000.tar", Body=b"<html>404</html>")
    client.put_object(Bucket=name, Key="cc/001.tar", Body=shards["001.tar"][:20_000])
    came_in = ingest(WebDatasetSource(url=stored), tmp_path / "raw", 0)
    assert came_in["rejected"]["all_bad_shard"] == 1
    assert came_in["rejected"]["shard_truncated"] >= 1
    assert came_in["rows_in"] == came_in["samples"] + came_in["quarantined"]


def test_a_connection_that_breaks_within_a_shard_is_no_shard_that_is_cut(bucket, stored, proxy, monkeypatch):
    """What webdataset reads of `pipe:curl` as a shorter shard, without a word, is an error that another try may mend."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    source, waits = WebDatasetSource(url=stored), list[float]()
    source.place.fetcher.s3.turns.wait = waits.append
    proxy.fault, proxy.asked = Fault(cut=10_000, when=lambda path: path.endswith("003.tar")), []
    with pytest.raises(TransientError, match=r"cc/003\.tar could not be fetched.*run again"):
        list(source.samples(0, silent))
    assert len(waits) == 3
    proxy.fault = None
    assert len(list(WebDatasetSource(url=stored).samples(0, silent))) == 60
    assert max(proxy.asked.count(path) for path in proxy.asked if "000.tar" in path) <= 2


@pytest.mark.parametrize("url", ["/cc/{000..005}.tar", ["/cc/{000..002}.tar", "/cc/{003..005}.tar"]])
def test_shards_are_counted_over_http(web, url, tmp_path):
    urls = web.url(url) if isinstance(url, str) else [web.url(one) for one in url]
    source = WebDatasetSource(url=urls, allow_hosts=[web.host])
    came_in = ingest(source, tmp_path / "raw", 0)
    assert came_in["samples"] == 60
    assert [file["name"] for file in came_in["source"]["remote"]["files"]] == [
        f"{number:03d}.tar" for number in range(6)
    ]
    assert not kept(tmp_path)


def test_a_shard_that_is_missing_over_http_is_told_before_anything_is_fetched(web):
    with pytest.raises(DataError, match=r"/cc/006\.tar could not be fetched: .* answered 404"):
        list(WebDatasetSource(url=web.url("/cc/{000..006}.tar"), allow_hosts=[web.host]).samples(0, silent))
    with pytest.raises(DataError, match=r"a loopback address.*allow_hosts"):
        list(WebDatasetSource(url=web.url("/cc/{000..005}.tar")).samples(0, silent))


def test_a_shard_that_changes_after_it_was_listed_is_not_taken(web):
    source = WebDatasetSource(url=web.url("/cc/{000..005}.tar"), allow_hosts=[web.host])
    assert source.place.files.files
    web.files["/cc/002.tar"] = web.files["/cc/003.tar"]
    with pytest.raises(DataError, match=r"002\.tar could not be fetched: it is another one than was listed"):
        list(source.samples(0, silent))


def test_braces_count_with_as_many_digits_as_the_first_number():
    assert list(expanded("https://x/{08..11}.tar")) == [f"https://x/{n}.tar" for n in ("08", "09", "10", "11")]
    assert list(expanded("s3://b/{0..1}/{7..8}.tar")) == [f"s3://b/{a}/{b}.tar" for a in (0, 1) for b in (7, 8)]
    assert list(expanded("https://x/a.tar")) == ["https://x/a.tar"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://x/{9..1}.tar", "counts from 9 to 1. Count upwards"),
        ("https://x/{0..99999999}.tar", "100,000 URLs at the most"),
        ("https://x/{a,b}.tar", "its braces count nothing"),
        ("ftp://x/a.tar", "Give URLs of http, https or s3"),
        ("my-shards", "Give URLs of http"),
        (7, "Give URLs of http"),
        ([None], "Give URLs of http"),
        ([], "names no URL"),
    ],
)
def test_what_is_no_url_is_told_before_anything_is_asked(url, says):
    with pytest.raises(ConfigError, match=says):
        build_source({"name": "webdataset", "url": url})


def test_shards_of_one_name_are_told_apart_by_where_they_lie_and_one_named_twice_is_refused(stored, web):
    with pytest.raises(ConfigError, match=r"names s3://\S+/cc/000\.tar twice"):
        next(WebDatasetSource(url=[stored, f"{stored}/000.tar"]).samples(0, silent))
    source = WebDatasetSource(url=[stored, web.url("/cc/000.tar")], allow_hosts=[web.host])
    assert {file.name for file in source.place.files.files} == {
        f"{web.host}/cc/000.tar",
        f"{stored.removeprefix('s3://')}/000.tar",
        *(f"{number:03d}.tar" for number in range(1, 6)),
    }
    found = list(source.samples(0, silent))
    assert len({sample.key for sample in found}) == len(found) == 70


def test_what_are_no_shards_is_told_with_what_can_come_from_elsewhere():
    with pytest.raises(ConfigError, match=r"picture\.png\?\w+\.png is none of \.tar, .*Download other data first"):
        describe_url("https://x.example/picture.png?token=secret")
