"""`diptych data push` and `pull` against a real S3 server: byte-equal, and nothing half written when the way there fails."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import main
from tests.flows.versioned import names, workspace
from tests.seaweed import SECRET, Fault, Proxy, asked_as_reader, client_of, faulty_proxy, s3_on_loopback

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    with s3_on_loopback() as address:
        yield address


@pytest.fixture
def proxy(server):
    with faulty_proxy(server) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return workspace(tmp_path_factory.mktemp("made") / "work", names(20), 10_000)


@pytest.fixture
def root(made, server, proxy: Proxy, tmp_path, monkeypatch, request) -> Path:
    """A workspace whose remote is a bucket of its own, behind the proxy."""
    for name, value in asked_as_reader(server).items():
        if not name.endswith("_FILE") and name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")  # a server that is away is asked no further times, each later
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    (tmp_path / "none").write_text("")
    bucket = hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    client_of(server).create_bucket(Bucket=bucket)
    shutil.copytree(made, tmp_path / "work", symlinks=True)
    config = tmp_path / "work/.dvc/config"
    config.write_text(
        f"{config.read_text()}    remote = there\n['remote \"there\"']\n    url = s3://{bucket}/dvc\n    endpointurl = {proxy.address}\n"
    )
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def stored(server: str, root: Path) -> dict[str, int]:
    """Key -> bytes of what lies in the remote."""
    bucket = (root / ".dvc/config").read_text().partition("s3://")[2].partition("/")[0]
    listed = client_of(server).list_objects_v2(Bucket=bucket)
    return {one["Key"]: one["Size"] for one in listed.get("Contents", ())}


def objects(server: str, root: Path) -> dict[str, bytes]:
    bucket = (root / ".dvc/config").read_text().partition("s3://")[2].partition("/")[0]
    client = client_of(server)
    return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in stored(server, root)}


def files(root: Path) -> dict[str, str]:
    paths = [path for folder in ("data/raw", "data/curated") for path in sorted((root / folder).rglob("*"))]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.is_file()
    }


def forget(root: Path) -> None:
    """Leave nothing of the data here."""
    for folder in (".dvc/cache", ".diptych", "data/raw", "data/curated", ".dvc/tmp"):
        shutil.rmtree(root / folder, ignore_errors=True)


def test_what_is_pushed_comes_back_byte_by_byte(root, server, capsys):
    before = files(root)
    assert main(["data", "push", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["way"], said["remote"], said["files"]) == ("push", "there", len(stored(server, root)))
    forget(root)
    assert main(["data", "pull"]) == 0
    assert capsys.readouterr().out.startswith("pulled from there (s3://")
    assert files(root) == before
    assert main(["data", "push"]) == 0
    assert capsys.readouterr().out.startswith("nothing to push: there (s3://")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=403, code="AccessDenied", method="PUT"), "refuses this user (AccessDenied), so"),
        (Fault(status=400, code="InternalError", method="PUT"), "files did not reach the remote there (s3://"),
        (Fault(away=True, method="PUT"), "files did not reach the remote there (s3://"),
    ],
)
def test_a_fault_in_the_middle_of_a_push_is_one_sentence_and_the_next_goes_on(root, server, proxy, capsys, fault, said):
    whole = files(root)
    taken: list[str] = []

    def later(path: str) -> bool:  # the first three files arrive
        if path not in taken:
            taken.append(path)
        return taken.index(path) >= 3

    fault.when = later
    proxy.fault = fault
    assert main(["data", "push"]) == 1
    out, err = capsys.readouterr()
    assert said in err
    assert err.rstrip().endswith("diptych data push")
    assert SECRET not in out + err
    assert len(err.splitlines()) == 1
    half = stored(server, root)
    assert len(half) == 3
    lists = [json.loads(body) for key, body in objects(server, root).items() if key.endswith(".dir")]
    for one in [file for listed in lists for file in listed]:  # a folder has no name before its own files are there
        assert f"dvc/files/md5/{one['md5'][:2]}/{one['md5'][2:]}" in half
    proxy.fault = None
    assert main(["data", "push"]) == 0
    assert half.items() < stored(server, root).items()
    forget(root)
    assert main(["data", "pull"]) == 0
    assert files(root) == whole


@pytest.mark.parametrize("way", ["push", "pull"])
def test_a_remote_that_is_away_is_one_sentence_and_the_next_goes_on(root, proxy, capsys, way):
    whole = files(root)
    if way == "pull":
        assert main(["data", "push"]) == 0
        forget(root)
    proxy.fault = Fault(away=True, method="")
    capsys.readouterr()
    assert main(["data", way]) == 1
    err = capsys.readouterr().err
    assert f"did not {'reach' if way == 'push' else 'come from'} the remote there (s3://" in err, err
    assert err.rstrip().endswith(f"go on with the rest: diptych data {way}"), err
    assert len(err.splitlines()) == 1, err
    proxy.fault = None
    assert main(["data", way]) == 0
    assert files(root) == whole


def test_a_body_that_is_cut_on_its_way_leaves_nothing_and_is_sent_again(root, server, proxy):
    whole = files(root)
    proxy.fault = Fault(cut=100, method="PUT", turns=2)
    assert main(["data", "push"]) == 0
    for key, body in objects(server, root).items():
        assert hashlib.md5(body).hexdigest() == "".join(key.split("/")[-2:]).removesuffix(".dir")
    forget(root)
    assert main(["data", "pull"]) == 0
    assert files(root) == whole


def test_what_is_damaged_in_the_remote_is_not_taken_for_data(root, server, capsys):
    assert main(["data", "push"]) == 0
    largest = max(stored(server, root).items(), key=lambda one: one[1])[0]
    bucket = (root / ".dvc/config").read_text().partition("s3://")[2].partition("/")[0]
    client = client_of(server)
    body = client.get_object(Bucket=bucket, Key=largest)["Body"].read()
    client.put_object(Bucket=bucket, Key=largest, Body=body[: len(body) // 2])
    whole = files(root)
    forget(root)
    capsys.readouterr()
    assert main(["data", "pull"]) == 1
    assert "diptych data pu" in capsys.readouterr().err
    half = hashlib.sha256(body[: len(body) // 2]).hexdigest()
    assert half not in files(root).values(), "a half is no file of data/raw"
    assert files(root).items() <= whole.items()


def test_what_was_changed_here_is_not_written_over(root, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody is there to be asked
    assert main(["data", "push"]) == 0
    shutil.rmtree(root / ".dvc/cache")
    mine = root / "data/raw/quarantine.parquet"
    mine.write_bytes(b"mine")
    assert main(["data", "pull"]) == 1
    assert "files here were changed that DVC does not have, and a pull would write over them" in capsys.readouterr().err
    assert mine.read_bytes() == b"mine"


def test_two_who_push_at_once_both_end_well_or_are_told_and_the_remote_is_whole(root, server, tmp_path):
    whole = files(root)
    shutil.copytree(root, tmp_path / "other", symlinks=True)
    command = [sys.executable, "-m", "flows.cli", "data", "push"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    running = [
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for folder in (root, tmp_path / "other", root)
    ]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert running[1].returncode == 0, said
    told = [
        process.returncode == 0 or "another DVC command is at work" in said[at] for at, process in enumerate(running)
    ]
    assert all(told), said
    forget(root)
    assert main(["data", "pull"]) == 0
    assert files(root) == whole


def test_without_a_remote_it_says_how_to_name_one(made, tmp_path, monkeypatch, capsys):
    shutil.copytree(made, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    assert main(["data", "push"]) == 1
    assert (
        "this workspace has no remote yet, so there is nowhere to push. Name one: dvc remote add -d NAME"
        in capsys.readouterr().err
    )
    assert main(["data", "pull", "--remote", "lost"]) == 1
    assert "there is no remote 'lost'" in capsys.readouterr().err
