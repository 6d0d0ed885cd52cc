"""An object that goes between being listed and being fetched is none; whatever else S3 refuses is raised. A real S3 server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from flows.stack.objects import fetched
from tests.seaweed import Fault, client_of, faulty_proxy, s3_on_loopback


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_on_loopback() as where:
        client_of(where).create_bucket(Bucket="dvc")
        yield where


def test_one_that_was_deleted_is_passed_over_and_the_others_are_there(address: str, tmp_path: Path) -> None:
    s3 = client_of(address)
    for key in ("goes", "stays"):
        s3.put_object(Bucket="dvc", Key=key, Body=key.encode())
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket="dvc")["Contents"]]
    s3.delete_object(Bucket="dvc", Key="goes")
    assert {key: fetched(s3, "dvc", key, tmp_path / key) for key in listed} == {"goes": False, "stays": True}
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("stays", "stays")]


@pytest.mark.parametrize(("status", "code", "gone"), [(404, "NoSuchKey", True), (403, "AccessDenied", False)])
def test_one_that_goes_after_its_size_was_asked_for_is_none_and_a_key_that_may_not_read_is_an_error(
    address: str, tmp_path: Path, status: int, code: str, gone: bool
) -> None:
    with faulty_proxy(address) as proxy:
        s3 = client_of(proxy.address, attempts=1)
        s3.put_object(Bucket="dvc", Key="a", Body=b"a word")
        assert fetched(s3, "dvc", "a", tmp_path / "a")
        proxy.fault = Fault(status=status, code=code, method="GET")
        if gone:
            assert not fetched(s3, "dvc", "a", tmp_path / "b")
        else:
            with pytest.raises(ClientError, match=code):
                fetched(s3, "dvc", "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
