"""`diptych data remove`: pictures go out of data/raw and stay out, DVC knows, a kill at any moment is gone on from."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.errors import Busy
from components.contracts.sealed import digest_of, sha256_of
from components.data.manifest import read_manifest
from components.registry.store import open_store
from components.registry.versions import register
from components.stages.lock import hold
from components.stages.place import private
from components.validation.takedown import add_lines, read_takedown
from flows.cli import main
from flows.data.remove import remove
from flows.data.revisions import outs_of
from flows.graph import why_stale
from tests.empty_store import lay_empty_store
from tests.flows.versioned import names, snapshot, workspace

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return workspace(tmp_path_factory.mktemp("made") / "work", names(20), 15_000)


@pytest.fixture
def root(made, tmp_path, monkeypatch) -> Path:
    """A copy of it to remove from."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def keys(root: Path) -> list[str]:
    return read_manifest(root / "data/raw/manifest.parquet")["key"].to_pylist()


def test_samples_go_and_dvc_takes_the_rest_for_what_ingest_makes(root, capsys):
    decoded = private(root, "cache", "decoded")
    for name in ("a.rows", "a.json"):
        (decoded / name).write_bytes(b"pictures")
    captions = private(root, "cache", "features") / "0a.parquet"
    captions.write_bytes(b"what was written of pictures")
    kept = private(root, "resume", "ingest", "0a", "train") / "000000.tar"
    kept.write_bytes(b"pictures")
    (root / "keys.txt").write_text("k007 # the same wish\n")
    shutil.rmtree(root / "build")  # as in a clone that pulled: what the code is, nobody has written down
    assert main(["data", "remove", "k002", "--keys", "keys.txt", "--reason", "asked\nfor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["removed"], said["copies"], said["samples"], said["listed"]) == (["k002", "k007"], [], 18, 4)
    assert (said["decoded"], said["versions"], said["stale"]) == (1, [], [])
    assert keys(root) == [name for name in names(20) if name not in ("k002", "k007")]
    assert not list(decoded.iterdir())
    assert not captions.exists()
    assert not kept.exists()
    assert why_stale(root, ["ingest"])["ingest"] == ()
    assert read_takedown(root / "data/takedown.txt").digests >= {sha_of("k002"), sha_of("k007")}
    assert f"{sha_of('k002')}  # k002, this file: removed 20" in (root / "data/takedown.txt").read_text()
    assert "asked for" in (root / "data/takedown.txt").read_text()
    assert not (root / "data/.raw.without").exists()
    assert main(["data", "diff", "HEAD", "data/raw"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line[0] in "+-~"] == ["- k002", "- k007"]


def test_its_output_is_json_and_nothing_else(root):
    said = subprocess.run(
        [sys.executable, "-m", "flows.cli", "data", "remove", "k002", "--json"], cwd=root, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True,
    )  # fmt: skip
    assert json.loads(said.stdout)["removed"] == ["k002"]


def sha_of(name: str) -> str:
    import hashlib

    from tests.flows.versioned import paint

    return hashlib.sha256(paint(int(name[1:]))).hexdigest()


def test_what_a_person_reads_says_what_was_done_and_what_is_left_to_do(root, capsys):
    assert main(["data", "remove", "k002"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "samples removed: 1; 1 shards packed again, 4 as they were"
    assert lines[1].startswith("data/raw has 19 samples, digest ")
    assert lines[2] == "data/takedown.txt has 2 more lines, so that no ingest brings them back; commit it with dvc.lock"
    assert lines[3:] == [
        "no model version saw them",
        "the version before is in DVC's cache and remotes until nobody's commit needs it: dvc gc --help",
    ]


def test_unknown_keys_are_told_and_nothing_is_done_unless_that_is_allowed(root, capsys):
    before = (root / "data/takedown.txt").read_bytes()
    assert main(["data", "remove", "k002", "K003", "k0044"]) == 1
    err = capsys.readouterr().err
    assert "data/raw has no sample 'K003' (nearest: k003" in err
    assert "'k0044' (nearest: k004" in err
    assert "Nothing was done. Correct them, or add --allow-unknown to remove the others." in err
    assert (len(keys(root)), (root / "data/takedown.txt").read_bytes()) == (20, before)
    assert main(["data", "remove", "k002", "K003", "--allow-unknown"]) == 0
    assert "not there: K003" in capsys.readouterr().out
    assert len(keys(root)) == 19
    assert main(["data", "remove", "K003", "--allow-unknown"]) == 0
    assert capsys.readouterr().out.splitlines() == ["not there: K003", "nothing was done"]
    for none, why in (
        ([], "no sample is named"),
        ([*names(20), "--allow-unknown"], "all 19 samples of data/raw would go"),
    ):
        assert main(["data", "remove", *none]) == 1
        assert why in capsys.readouterr().err


def test_where_ingest_has_more_to_do_dvc_is_told_nothing(root, capsys):
    (root / "own.txt").write_text("other pictures\n")
    lock = (root / "dvc.lock").read_text()
    assert main(["data", "remove", "k002"]) == 0
    said = capsys.readouterr().out
    assert "ingest has more to do (own.txt: modified); the next run ingests again, without them" in said
    assert (root / "dvc.lock").read_text() == lock
    assert "k002" not in keys(root)


def test_one_writer_at_a_time(root):
    with (
        hold(private(root, "locks") / "workspace.lock", "the workspace"),
        pytest.raises(Busy, match="is already being worked on by process"),
    ):
        remove(root, ["k002"], "", False)
    assert len(keys(root)) == 20


CHANGES = frozenset(
    {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "ctypes.call_function"}
)


def removing(root: Path, kill_at: int) -> int:
    """Remove two samples in a process of its own that is killed at its n-th change of the disk; return how many it made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        seen = [0]

        def hook(event: str, arguments: tuple) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                seen[0] += 1
                if seen[0] == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            os.chdir(root)
            remove(root, ["k002", "k008"], "asked for", False)
            os.write(writer, str(seen[0]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        count = said.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (kill_at > 0), "it was killed where it was to be"
    return int(count or 0)


def state(root: Path) -> dict[str, bytes]:
    """All that a removal is to leave, with dates left out."""
    paths = [root / "data/takedown.txt", *sorted((root / "data/raw").rglob("*"))]
    files = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    lock = {
        out["path"]: out["md5"].encode() for out in outs_of((root / "dvc.lock").read_text()) if "raw" in out["path"]
    }
    return {name: path.read_bytes() for name, path in files.items()} | lock


@pytest.mark.parametrize("part", range(9))
def test_a_kill_at_any_moment_is_gone_on_from(root, made, tmp_path, part):
    shutil.copytree(root, tmp_path / "whole", symlinks=True)
    changes = removing(tmp_path / "whole", 0)
    assert changes > 30
    removing(root, 1 + part * (changes - 1) // 8)
    whole = sorted(keys(root))
    assert whole == names(20) or whole == [name for name in names(20) if name not in ("k002", "k008")]
    pending = (root / ".diptych/remove/plan.json").exists()
    done = remove(root, [] if pending else ["k002", "k008"], "asked for", True)
    assert done.finished_first == (2 if pending else 0)
    assert state(root) == state(tmp_path / "whole")
    assert not list((root / "data").glob(".raw*"))


def test_the_versions_that_saw_them_are_named_by_what_they_were_made_from(root, tmp_path, capsys):
    lay_empty_store(root)
    lock = {out["path"]: out["md5"] for out in outs_of((root / "dvc.lock").read_text())}
    entries = {
        "ingest": {"data/raw": lock["data/raw"]},
        "curate@clip": {"data/curated/clip": lock["data/curated/clip"]},
    }
    for weights, its in (("one", entries), ("two", {})):
        package = root / "runs/clip/package"
        (root / "runs/clip/evaluate").mkdir(parents=True, exist_ok=True)
        package.mkdir(exist_ok=True)
        (root / "runs/clip/evaluate/metrics.json").write_text("{}")
        (package / "weights").write_text(weights)
        files = {"weights": sha256_of(package / "weights")}
        about = {
            "recipe": "clip",
            "data_digest": f"of {weights}",
            "lock": its,
            "files": files,
            "digest": digest_of(files),
        }
        (package / "manifest.json").write_text(json.dumps(about))
        register(package, root, open_store(root))
    assert main(["data", "remove", "k000", "k003", "k004", "--reason", "asked for"]) == 0  # of train, val and pair
    said = capsys.readouterr().out.splitlines()
    at = said.index("model versions that saw them:")
    assert said[at + 1] == "  clip@1: trained on 1, chosen by 1, measured with 1"
    assert said[at + 2].startswith(
        "  clip@2: cannot be told: the data it was made from (digest of two) is neither in this"
    )


def test_a_copy_goes_with_the_picture_that_was_named(root, capsys):
    import pyarrow as pa

    from components.data.manifest import SCHEMA, write_manifest

    rows = read_manifest(root / "data/raw/manifest.parquet").to_pylist()
    rows[5]["pixel_sha256"] = rows[2]["pixel_sha256"]
    digest = write_manifest(pa.Table.from_pylist(rows, SCHEMA), root / "data/raw/manifest.parquet")
    said = json.loads((root / "data/raw/source.json").read_text())
    (root / "data/raw/source.json").write_text(json.dumps(said | {"digest": digest}))
    assert main(["data", "remove", "k002"]) == 0
    assert "samples removed: 1, and 1 more of the same pictures (k005)" in capsys.readouterr().out
    assert not {"k002", "k005"} & set(keys(root))


def test_lines_are_added_to_a_list_once_and_what_was_there_stays(tmp_path):
    path = tmp_path / "takedown.txt"
    path.write_text("# mine\n" + "a" * 64)
    assert add_lines(path, {"a" * 64: "there", "b" * 64: "new\nline"}) == 1
    assert path.read_text() == f"# mine\n{'a' * 64}\n{'b' * 64}  # new line\n"
    assert add_lines(path, {"b" * 64: "again"}) == 0


def test_a_snapshot_beside_the_workspace_is_left_alone(root, tmp_path):
    other = snapshot(tmp_path / "other", names(4))
    remove(root, ["k002"], "", False)
    assert len(read_manifest(other / "manifest.parquet")) == 4
