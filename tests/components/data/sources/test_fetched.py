"""Tables whose rows name URLs, from a real server that misbehaves: what comes is a sample, what does not is a row with its reason."""

import errno
import gc
import json
import socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, DataError, TransientError
from components.contracts.progress import silent
from components.contracts.reject import Reject
from components.data.ingest import ingest
from components.data.quarantine import read_quarantine
from components.data.remote.fetcher import Fetcher
from components.data.sources import build_source
from components.data.sources.columns import recognise
from components.data.sources.fetched import OUTAGE, Fetched
from components.data.sources.table import PairTable
from components.data.sources.which import describe_path
from tests.own_pictures import write_table
from tests.seaweed import Fault
from tests.web_server import Web, serving


@pytest.fixture
def web(own, tmp_path, monkeypatch):
    """Serves the sixty pictures below /p/; what is fetched is kept in the test's own folder."""
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    folder, said = own
    with serving(Web({f"/p/{name}": (folder / name).read_bytes() for name in said})) as web:
        yield web


@pytest.fixture
def table(own, web, tmp_path):
    """Write a table with a row for each picture's URL and what is asked beside them, and return the source that reads it."""

    def written(rows: dict[str, str] | None = None, path: str = "/p/", **settings) -> PairTable:
        named = {web.url(path + name): pair for name, pair in own[1].items()}
        beside = {url: (caption, "") for url, caption in (rows or {}).items()}
        (tmp_path / "tables").mkdir(exist_ok=True)
        return PairTable(
            str(write_table(tmp_path / "tables/list.csv", named | beside)), **{"allow_hosts": [web.host], **settings}
        )

    return written


def kept(tmp_path):
    gc.collect()  # who has read everything has no links any more, once it is gone
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def under_their_names(tmp_path):
    """Return what is kept for the next run, without the links of this one."""
    return [path for path in kept(tmp_path) if "held" not in path.parts]


def test_pictures_named_by_url_come_in_as_if_they_lay_here(own, web, table, tmp_path):
    here = ingest(PairTable(str(write_table(own[0] / "captions.csv", own[1]))), tmp_path / "here", 0)
    came_in = ingest(table(), tmp_path / "raw", 0)
    assert (came_in["samples"], came_in["quarantined"], came_in["splits"]) == (60, 0, here["splits"])
    assert set(web.asked.values()) == {1}, "each is asked for once, though the table is read twice"
    assert not kept(tmp_path), "and nothing stays but the snapshot"


def test_a_list_of_urls_as_laion_publishes_them_needs_no_settings(own, web, tmp_path):
    """Columns in capitals, others of no use beside them, in Parquet."""
    rows = [
        {"SAMPLE_ID": n, "URL": web.url(f"/p/{name}"), "TEXT": text, "NSFW": "UNLIKELY"}
        for n, (name, (text, _)) in enumerate(own[1].items())
    ]
    (tmp_path / "laion").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "laion/metadata.parquet")
    source = describe_path(tmp_path / "laion")
    assert source["columns"] == {"image": "URL", "caption": "TEXT"}
    assert len(list(build_source({**source, "allow_hosts": [web.host]}).samples(0, silent))) == 60


def test_a_path_is_taken_where_a_row_has_both_a_path_and_a_url():
    assert recognise(["url", "file_name", "caption"], {}, "t")["image"] == "file_name"
    with pytest.raises(ConfigError, match=r"Several could be it \(url, image_url\)"):
        recognise(["url", "image_url", "caption"], {}, "t")


def test_a_disk_that_is_full_while_pictures_are_fetched_is_told_by_its_folder(web, tmp_path, monkeypatch):
    fetcher = Fetcher([web.host], folder=tmp_path / "kept")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("components.data.remote.store.os.fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        Fetched([web.url("/p/0000.png")], 60, fetcher=fetcher).failures(silent)
    assert str(tmp_path / "kept") in caught.value.filename
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_a_source_that_is_read_again_fetches_again(web, table):
    source = table()
    first = [sample.key for sample in source.samples(0, silent)]
    assert [sample.key for sample in source.samples(0, silent)] == first
    assert set(web.asked.values()) == {2}


def test_two_that_read_the_same_urls_at_once_take_nothing_from_each_other(table, tmp_path):
    slow = table().unsplit(silent)
    first = next(slow)
    others = list(table().unsplit(silent))
    assert [one.key for one in (first, *slow)] == [one.key for one in others]
    assert not [one for one in others if isinstance(one, Reject)]
    assert not kept(tmp_path)


def test_the_order_is_that_of_the_table_whatever_comes_first(own, table):
    found = list(table().samples(0, silent))
    assert [sample.texts[0].text for sample in found] == [caption for caption, _ in own[1].values()]
    assert [sample.media[0].member[-4:] for sample in found] == [".png"] * 60


def test_a_url_that_gives_nothing_is_a_row_with_its_reason_and_not_the_end(own, web, table, tmp_path):
    web.files |= {"/p/empty.png": b"", "/p/page.png": b"<html>gone</html>"}
    rows = {
        web.url("/missing.png"): "a picture that is gone",
        web.url("/status/403"): "a picture for others",
        web.url("/p/empty.png"): "a picture of no bytes",
        web.url("/to/http/169.254.169.254/latest/meta-data"): "a picture that leads astray",
        web.url("/loop"): "a picture that leads on and on",
        "http://localhost:1/a.png": "a picture of this machine",
        "http://me:secret@x.example/a.png": "a picture with a password",
        "s3://private/a.png": "a picture from somebody's bucket",
        web.url("/p/0000.png#top"): "the first, said again",
        web.url("/p/0000.png?sig=0a1b2c"): "the first, signed for",
    }
    came_in = ingest(table(rows), tmp_path / "raw", 0)
    rejected = {
        row["key"]: (row["reason"], row["detail"]) for row in read_quarantine(tmp_path / "raw/quarantine.parquet")
    }
    assert {key.removeprefix(web.url("")): reason for key, (reason, _) in rejected.items()} == {
        "/missing.png": "fetch_failed",
        "/status/403": "fetch_failed",
        "/p/empty.png": "zero_bytes",
        "/to/http/169.254.169.254/latest/meta-data": "address_refused",
        "/loop": "fetch_failed",
        "http://localhost:1/a.png": "address_refused",
        next(key for key in rejected if "x.example" in key): "address_refused",
        "s3://private/a.png": "address_refused",
    }
    assert "allow_hosts: ['s3://private']" in rejected["s3://private/a.png"][1]
    assert came_in["samples"] == 61
    assert came_in["rows_in"] == 69
    everything = json.dumps(rejected) + (tmp_path / "raw/source.json").read_text()
    assert not any(secret in everything for secret in ("secret", "0a1b2c"))


def test_hosts_of_this_network_are_asked_only_where_params_name_them(table):
    with pytest.raises(DataError, match=r"0 pictures with a caption.*127\.0\.0\.1, a loopback address"):
        list(table(allow_hosts=None).samples(0, silent))
    with pytest.raises(ConfigError, match=r"source\.allow_hosts is 'all'"):
        table(allow_hosts="all")


def test_what_came_before_a_run_was_cut_is_not_asked_for_again(web, table, tmp_path):
    """As after SIGKILL: whole files are gone on with, and a half one is not looked at."""
    first = table()
    told = []

    def cut(doing: str, done: int, total: int, **seen: float) -> None:
        told.append(doing)
        if doing == "write pictures":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(first.samples(0, cut))
    assert "fetch pictures" in told
    whole = under_their_names(tmp_path)
    assert len(whole) == 60
    whole[0].rename(whole[0].with_name(".half-killed"))
    assert len(list(table().samples(0, silent))) == 60
    assert sorted(web.asked.values()) == [1] * 59 + [2]


def test_a_network_that_is_down_is_no_fault_of_the_data(table):
    source = table(path="/status/503?")
    source._at_hand(silent).records.fetched._fetcher.http.turns.wait = lambda seconds: None
    with pytest.raises(TransientError, match=r"60 URLs in a row did not answer.*Is the network there"):
        list(source.samples(0, silent))


def test_a_few_that_do_not_answer_are_rows_and_a_hundred_in_a_row_are_the_network(web, tmp_path):
    def fetched(urls: list[str], among: int) -> Fetched:
        return Fetched(urls, among, fetcher=Fetcher([web.host], folder=tmp_path / "kept", wait=lambda seconds: None))

    few = [web.url(f"/status/503?{number}") for number in range(OUTAGE - 1)]
    failed = fetched(few, OUTAGE).failures(silent)
    assert {(reject.reason, reject.detail) for reject in failed.values()} == {
        ("fetch_failed", f"{web.host} answered 503; tried 4 times")
    }
    assert all(isinstance(reject, Reject) for reject in failed.values())
    assert len(failed) == OUTAGE - 1
    with pytest.raises(TransientError):
        fetched([*few, web.url("/status/503")], 10_000).failures(silent)
    no_names = [f"http://a..example/{number}.png" for number in range(20)]
    with pytest.raises(TransientError):  # nobody was asked for these, so nobody answered
        fetched([*few[:50], *no_names, *few[50:], web.url("/status/503")], 10_000).failures(silent)
    assert fetched([], 1).failures(silent) == {}


def of_two_hosts(web, tmp_path, resolve) -> Fetched:
    """Return a table of some pictures of one host, and many more of another that does not answer."""
    urls = [f"http://small.example:{web.port}/p/000{number}.png" for number in range(3)]
    urls += [f"http://large.example:{web.port}/status/503?{number}" for number in range(2 * OUTAGE + 10)]
    hosts = ["small.example", "large.example"]
    fetcher = Fetcher(hosts, folder=tmp_path / "kept", resolve=resolve, wait=lambda seconds: None)
    return Fetched(urls, len(urls), fetcher=fetcher)


def test_one_host_that_does_not_answer_is_not_the_network(web, tmp_path):
    fetched = of_two_hosts(web, tmp_path, lambda host, port: ["127.0.0.1"])
    failed = fetched.failures(silent)
    assert len(failed) == 2 * OUTAGE + 10
    assert {reject.reason for reject in failed.values()} == {"fetch_failed"}
    assert all("large.example" in name for name in failed)
    again = Fetched(fetched.urls, len(fetched.urls), fetcher=fetched._fetcher)
    assert len(again.failures(silent)) == 2 * OUTAGE + 10, "also where what came before needs no answer any more"


def test_a_network_that_goes_down_while_one_host_is_left_is_not_that_host(web, tmp_path):
    looked = []

    def resolve(host: str, port: int) -> list[str]:
        looked.append(host)
        if host == "small.example" and looked.count(host) > 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ["127.0.0.1"]

    with pytest.raises(TransientError, match=r"100 URLs in a row did not answer.*Is the network there"):
        of_two_hosts(web, tmp_path, resolve).failures(silent)


def test_rows_may_name_objects_of_a_bucket_that_params_name(own, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    client, name = bucket
    for picture in own[1]:
        client.put_object(Bucket=name, Key=picture, Body=(own[0] / picture).read_bytes())
    said = {f"s3://{name}/{picture}": pair for picture, pair in own[1].items()}
    (tmp_path / "tables").mkdir()
    table = write_table(tmp_path / "tables/list.csv", said | {f"s3://{name}/none.png": ("a ghost", "")})
    came_in = ingest(PairTable(str(table), allow_hosts=[f"s3://{name}"]), tmp_path / "raw", 0)
    assert (came_in["samples"], came_in["rejected"]) == (60, {"fetch_failed": 1})


def test_credentials_that_have_expired_end_the_run_at_once(own, bucket, proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    proxy.fault, proxy.asked = Fault(400, "ExpiredToken"), []
    (tmp_path / "tables").mkdir()
    table = write_table(tmp_path / "tables/list.csv", {f"s3://b/{picture}": pair for picture, pair in own[1].items()})
    with pytest.raises(DataError, match="the credentials for s3://b have expired"):
        list(PairTable(str(table), allow_hosts=["s3://b"]).samples(0, silent))
    assert len(proxy.asked) < 60, "and not after each row has been refused"
