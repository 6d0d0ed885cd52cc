"""Objects of a real S3 server, and behind a proxy that answers as S3 does on a bad day: each fault is one clear error."""

import io
from pathlib import Path

import pytest

from components.contracts.errors import CapabilityError, DataError, TransientError
from components.contracts.progress import silent
from components.data.remote.fetcher import Fetcher
from components.data.remote.files import RemoteFiles
from components.data.remote.s3 import S3, bucket_and_key
from components.data.remote.unfetched import Unfetched
from components.data.sources.webdataset import WebDatasetSource
from tests.seaweed import KEY, SECRET, Fault

BODY = bytes(range(256)) * 1000
MOST = 2**20


@pytest.fixture(scope="module")
def reader(as_reader) -> S3:
    """A client that was made once: it takes half a second."""
    return fetcher_at().s3


@pytest.fixture(scope="module")
def through(as_reader, proxy) -> S3:
    """The same, made once, that asks the faulty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.address)
        reader = fetcher_at().s3
        reader.connect()
    return reader


@pytest.fixture
def faulty(proxy):
    """The proxy, which does nothing wrong yet."""
    proxy.fault, proxy.asked = None, []
    return proxy


def fetcher_at(folder: Path = Path("/nowhere"), reader: S3 | None = None) -> Fetcher:
    waits: list[float] = []
    fetcher = Fetcher(folder=folder, wait=waits.append)
    if reader is not None:
        fetcher.s3 = reader
    return fetcher


def files_at(url, tmp_path, reader=None) -> RemoteFiles:
    return RemoteFiles([url], WebDatasetSource().wants, ".tar", fetcher_at(tmp_path / "kept", reader))


def put(bucket, **objects: bytes) -> str:
    client, name = bucket
    for key, body in objects.items():
        client.put_object(
            Bucket=name, Key=key.replace("__", "/").replace("_tar", ".tar").replace("_txt", ".txt"), Body=body
        )
    return f"s3://{name}"


def test_an_object_comes_whole_and_is_kept(bucket, reader, tmp_path):
    url = put(bucket, a_tar=BODY) + "/a.tar"
    fetcher = fetcher_at(tmp_path / "kept", reader)
    said = fetcher.fetch(url, "x", MOST)
    assert fetcher.store.path_of("x").read_bytes() == BODY
    assert said == fetcher.about(url)
    assert fetcher.fetch(url, "x", MOST) is None


def test_what_lies_below_a_folder_is_listed_by_key_and_a_folder_is_no_beginning_of_a_name(bucket, reader, tmp_path):
    url = put(bucket, cc3__0_tar=b"0", cc3__b__1_tar=b"1", cc3__c__classnames_txt=b"c", cc3__classnames_txt=b"names", cc3__=b"",
              cc3__notes_txt=b"n", cc3_old__2_tar=b"2")  # fmt: skip
    for folder in ("/cc3", "/cc3/"):
        found = files_at(url + folder, tmp_path, reader)
        assert [(file.name, file.size_bytes) for file in found.files] == [
            ("0.tar", 1),
            ("b/1.tar", 1),
            ("classnames.txt", 5),
        ]
        assert found.passed == ["c/classnames.txt", "notes.txt"]
    assert [file.name for file in files_at(url, tmp_path, reader).files] == [
        "cc3/0.tar",
        "cc3/b/1.tar",
        "cc3_old/2.tar",
    ]
    assert [file.url for file in files_at(url + "/cc3/b/1.tar", tmp_path, reader).files] == [url + "/cc3/b/1.tar"]


def test_a_listing_goes_on_over_pages(bucket, faulty, through, tmp_path, monkeypatch):
    url = put(bucket, **{f"{number}_tar": b"x" for number in range(7)})
    monkeypatch.setattr(through, "page_keys", 3)
    assert [file.name for file in files_at(url, tmp_path, through).files] == [f"{number}.tar" for number in range(7)]
    assert len(faulty.asked) == 3


def test_names_are_taken_to_the_letter(bucket, reader, tmp_path):
    client, name = bucket
    for key in ("a?b#c.tar", "ä b.tar", "..%2f.tar"):
        client.put_object(Bucket=name, Key=key, Body=key.encode())
    found = files_at(f"s3://{name}", tmp_path, reader)
    found.arrive()
    keys = sorted(one["Key"] for one in client.list_objects_v2(Bucket=name)["Contents"])
    assert sorted(found.path_of(file).read_bytes().decode() for file in found.files) == keys
    assert bucket_and_key("s3://b/a?b#c") == ("b", "a?b#c")


def test_the_version_is_what_lies_there(bucket, reader, tmp_path):
    url = put(bucket, a_tar=b"1", b_tar=b"2")
    before = files_at(url, tmp_path, reader).version
    assert files_at(url, tmp_path, reader).version == before
    put(bucket, a_tar=b"3")
    changed = files_at(url, tmp_path, reader).version
    put(bucket, a_tar=b"1")
    assert files_at(url, tmp_path, reader).version == before != changed
    put(bucket, c_tar=b"1")
    assert files_at(url, tmp_path, reader).version not in (before, changed)


def test_what_is_replaced_after_it_was_listed_is_not_taken(bucket, reader, tmp_path):
    url = put(bucket, a_tar=b"1")
    found = files_at(url, tmp_path, reader)
    put(bucket, a_tar=b"2")
    with pytest.raises(DataError, match=r"a\.tar could not be fetched: S3 answered 412 .*changed meanwhile"):
        found.arrive()
    assert not found.path_of(found.files[0]).exists()


FATAL = [
    (Fault(400, "ExpiredToken"), "have expired. Log in again, such as by `aws sso login`"),
    (Fault(400, "InvalidToken"), "have expired. Log in again"),
    (Fault(403, "InvalidAccessKeyId"), "are none it knows. Look at AWS_PROFILE"),
    (Fault(403, "SignatureDoesNotMatch"), "are none it knows"),
    (Fault(403, "RequestTimeTooSkewed"), "this machine's clock is wrong"),
    (Fault(404, "NoSuchBucket"), "there is no bucket bucket-"),
]
GONE = [
    (
        Fault(403, "AccessDenied"),
        "S3 answered 403 AccessDenied: whoever your credentials stand for may not read it. s3:ListBucket",
    ),
    (Fault(404, "NoSuchKey"), "S3 answered 404 NoSuchKey: it is not there"),
    (Fault(403, "InvalidObjectState"), "it lies in an archive. Restore it first"),
    (Fault(405, "MethodNotAllowed"), "S3 answered 405 MethodNotAllowed"),
]
PASSING = [
    (Fault(429, "SlowDown"), "S3 answered 429 SlowDown"),
    (Fault(503, "SlowDown"), "S3 answered 503 SlowDown"),
    (Fault(500, "InternalError"), "S3 answered 500 InternalError"),
    (Fault(400, "RequestTimeout"), "S3 answered 400 RequestTimeout"),
    (Fault(cut=0), "the connection to S3 broke"),
    (Fault(cut=1000), "the connection to S3 broke"),
    (Fault(cut=1000, bare=True), "the connection to S3 broke"),
    (Fault(flip=True), "its bytes are not those of its checksum"),
    (Fault(flip=True, bare=True), "its ETag promises"),
]
CASES = [(fault, says, DataError) for fault, says in FATAL + GONE] + [
    (fault, says, TransientError) for fault, says in PASSING
]


@pytest.mark.parametrize(("fault", "says", "kind"), CASES, ids=[f"{fault.status} {says}" for fault, says, _ in CASES])
def test_each_fault_of_a_shard_is_one_error_and_nothing_is_kept(bucket, faulty, through, tmp_path, fault, says, kind):
    found = files_at(put(bucket, a_tar=BODY), tmp_path, through)
    faulty.fault, faulty.asked = fault, []
    with pytest.raises((DataError, TransientError, CapabilityError)) as caught:
        found.arrive()
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert len(faulty.asked) == (4 if kind is TransientError else 1), (
        "what may pass is tried again, and the rest is not"
    )
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert not any(secret in repr(caught.value) for secret in (KEY, SECRET, "Signature=")), (
        "not even where S3 itself repeats it"
    )


@pytest.mark.parametrize(
    "fault", [fault for fault, _ in PASSING], ids=[f"{fault.status} {says}" for fault, says in PASSING]
)
def test_a_fault_that_passes_is_not_noticed(bucket, faulty, through, tmp_path, fault):
    found = files_at(put(bucket, a_tar=BODY), tmp_path, through)
    faulty.fault = Fault(fault.status, fault.code, fault.cut, fault.flip, fault.bare, turns=3)
    found.arrive()
    assert found.path_of(found.files[0]).read_bytes() == BODY


@pytest.mark.parametrize(
    ("fault", "says", "kind"), CASES[:12], ids=[f"{fault.status} {says}" for fault, says, _ in CASES[:12]]
)
def test_each_fault_of_a_listing_is_one_error(bucket, faulty, through, tmp_path, fault, says, kind):
    faulty.fault = Fault(fault.status, fault.code)
    with pytest.raises(kind) as caught:
        files_at(put(bucket, a_tar=BODY), tmp_path, through)
    assert says in str(caught.value)


def test_wrong_keys_are_told_as_such_by_the_real_server(bucket, tmp_path, monkeypatch):
    url = put(bucket, a_tar=BODY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(
        DataError, match=r"SignatureDoesNotMatch: the credentials for s3://bucket-.* are none it knows"
    ) as caught:
        files_at(url, tmp_path)
    assert "another-secret" not in str(caught.value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(DataError, match="InvalidAccessKeyId"):
        files_at(url, tmp_path)


def test_without_credentials_it_asks_as_anybody_and_says_so(bucket, tmp_path, monkeypatch):
    url = put(bucket, a_tar=BODY)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(DataError, match="no credentials were found, and anybody may not read it"):
        files_at(url, tmp_path)


def test_what_is_not_there_is_told_by_the_real_server(bucket, reader, tmp_path):
    url = put(bucket, a_txt=b"")
    with pytest.raises(DataError, match="404 NoSuchKey: it is not there"):
        files_at(f"{url}/b.tar", tmp_path, reader)
    with pytest.raises(DataError, match="there is no bucket no-such-bucket"):
        files_at("s3://no-such-bucket/x", tmp_path, reader)
    with pytest.raises(DataError, match=r"no object whose name ends in \.tar below it.*aws s3 ls"):
        files_at(url, tmp_path, reader)


def test_a_machine_that_is_set_up_for_nobody_is_told_as_such(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CapabilityError, match=r"S3 cannot be asked.*ProfileNotFound.*aws sts get-caller-identity"):
        files_at("s3://bucket/x", tmp_path)


def test_a_name_that_no_bucket_can_have_is_told_as_such(bucket, reader, tmp_path):
    with pytest.raises(DataError, match="no name that a bucket"):
        files_at("s3://a b/x", tmp_path, reader)


def test_an_object_that_is_too_large_is_left_there(bucket, reader, tmp_path):
    url = put(bucket, a_tar=BODY) + "/a.tar"
    with pytest.raises(Unfetched, match="256,000 bytes; at most 1,000 are read"):
        fetcher_at(tmp_path / "kept", reader).s3.fetch(url, io.BytesIO(), 1000)


def test_a_server_that_is_not_there_is_worth_another_try(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(TransientError, match=r"EndpointConnectionError.*tried 4 times"):
        files_at("s3://bucket/x", tmp_path)


def test_shards_that_came_are_not_asked_for_again(bucket, faulty, through, tmp_path):
    url = put(bucket, a_tar=b"a", b_tar=b"b")
    found = files_at(url, tmp_path, through)
    faulty.fault = Fault(403, "AccessDenied", when=lambda path: path.endswith("b.tar"))
    with pytest.raises(DataError, match=r"b\.tar"):
        found.arrive()
    came = found.path_of(found.files[0]).exists()
    faulty.fault, faulty.asked = None, []
    again = files_at(url, tmp_path, through)
    again.arrive(silent)
    assert len([path for path in faulty.asked if path.endswith("a.tar")]) == (0 if came else 1)
    assert [again.path_of(file).read_bytes() for file in again.files] == [b"a", b"b"]
    again.forget()
    kept = (path.relative_to(tmp_path / "kept") for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert {path.parts[0] for path in kept} <= {"held"}, "the links of who asked first"
