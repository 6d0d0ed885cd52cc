"""The stage ingest on a real workspace's files: bad data is one message, and nothing is left of it."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from components.data.manifest import read_manifest
from components.data.quarantine import read_quarantine
from components.data.shards import open_pictures
from components.stages.outcome import StageOutcome
from tests.flows.valve import Valve
from tests.own_pictures import paint, write_table
from tests.shards import members_of, write_shard
from tests.web_server import Web, serving

REPOSITORY = Path(__file__).parents[3]
TMPFS_MB = 14  # one shard fits in, and not another


@pytest.fixture
def root(tmp_path) -> Path:
    """A workspace with 60 pictures and their table."""
    root = tmp_path / "job"
    (root / "data").mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "data/takedown.txt"):
        shutil.copy(REPOSITORY / name, root / name)
    write_table(root / "own/captions.csv", paint(root / "own", 60))
    choose(root, name="table", path="own")
    return root


def choose(root: Path, **source: object) -> None:
    """Write `source:` into params.yaml."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    (root / "params.yaml").write_text(yaml.safe_dump({**params, "source": source}))


def ingest(root: Path, *before: str, **options) -> subprocess.CompletedProcess[str]:
    """Run the stage as dvc.yaml does, with `before` in front of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DIPTYCH_", "DVC_"))}
    command = [*before, sys.executable, "-m", "components.stages.ingest"]
    return subprocess.run(
        command, cwd=root, env=environment | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, **options
    )


def refused(root: Path, ran: subprocess.CompletedProcess[str]) -> str:
    """Return what was said, after looking that nothing was left and nothing will be tried again."""
    outcome = StageOutcome.read(root, "ingest", None)
    assert outcome is not None
    assert (ran.returncode, outcome.state, outcome.transient) == (1, "failed", False), ran.stderr
    assert not (root / "data/raw").exists()
    assert not list((root / ".diptych/tmp").rglob("*.tar"))
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("ingest: ")
    return ran.stderr


def test_own_pictures_come_in(root):
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    came_in = json.loads((root / "data/raw/source.json").read_text())
    assert came_in["splits"] == {"train": 48, "val": 6, "pair": 6, "designer": 0, "concept": 0, "both": 0}
    assert set(came_in["source"]["splits"]) == {"train", "val", "pair"}
    assert set(came_in["source"]["without"]) == {"designer", "concept", "both", "zero_shot"}


def test_shards_come_in_and_what_does_not_is_in_quarantine(root):
    members = members_of(root / "own", {path.name: ("a shape", "") for path in sorted((root / "own").glob("*.png"))})
    for place in range(3):
        write_shard(root / f"shards/{place}.tar", [*members[60 * place : 60 * place + 60], ("x.pickle", b".")])
    (root / "shards/3.tar").write_bytes(b"<html>404</html>")
    choose(root, name="webdataset", path="shards")
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    came_in = json.loads((root / "data/raw/source.json").read_text())
    assert (came_in["rows_in"], came_in["samples"], came_in["quarantined"]) == (64, 60, 4)
    assert came_in["rejected"] == {"all_bad_shard": 1, "pickle_member": 3}
    assert len(read_quarantine(root / "data/raw/quarantine.parquet")) == 4


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: choose(root, name="folder", path="nowhere"), "nowhere does not exist. Give source.path"),
        (lambda root: choose(root, name="folder", path="own"), "none of the pictures in own has a caption"),
        (lambda root: choose(root, name="table", path="dvc.yaml"), "dvc.yaml is no table. Give one of .csv"),
        (lambda root: choose(root, name="table", path="own", columns={"image": "pic"}), "captions.csv has no such column"),
        (lambda root: choose(root, name="folder"), "data/own does not exist"),
        (lambda root: choose(root, name="folders", path="own"), "did you mean folder?"),
        (lambda root: shutil.rmtree(root / "own") or (root / "own").mkdir(), "own has no table captions or metadata"),
    ],
)  # fmt: skip
def test_bad_data_is_one_message_and_nothing_is_left(root, spoil, says):
    spoil(root)
    said = refused(root, ingest(root))
    assert says in said
    assert said.count("\n") == 1


def test_a_run_that_is_killed_while_it_fetches_goes_on_with_what_is_whole(root, until):
    """The last picture is half here when SIGKILL comes; the others are not asked for again, and the half is not taken."""
    pictures = {path.name: path.read_bytes() for path in sorted((root / "own").glob("*.png"))}
    with serving(Web({f"/{name}": data for name, data in pictures.items()})) as web:
        urls = {web.url(f"/{name}"): (f"shape {name}", "") for name in list(pictures)[:-1]}
        last = list(pictures)[-1]
        (root / "table").mkdir()
        write_table(root / "table/captions.csv", urls | {web.url(f"/stuck_once/{last}"): ("the last shape", "")})
        choose(root, name="table", path="table", allow_hosts=[web.host])
        environment = {
            **os.environ,
            "PYTHONPATH": os.environ.get("PYTHONPATH", str(REPOSITORY)),
            "DIPTYCH_CACHE": str(root / "cache"),
        }
        command = [sys.executable, "-m", "components.stages.ingest"]

        def kept() -> list[str]:
            return [path.name for path in (root / "cache/fetched").glob("[0-9a-f][0-9a-f]/*")]

        with (root / "log").open("wb") as log:
            killed = subprocess.Popen(
                command, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: len(kept()) == 60, kept)
        until(lambda: sum(name.startswith(".half-") for name in kept()) == 1, kept)
        killed.kill()
        killed.wait()
        ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert sorted(web.asked.values()) == [1] * 59 + [2]
    came_in = json.loads((root / "data/raw/source.json").read_text())
    assert (came_in["samples"], came_in["quarantined"]) == (60, 0)
    sizes = pq.read_table(root / "data/raw/manifest.parquet", columns=["size_bytes"])["size_bytes"].to_pylist()
    assert sorted(sizes) == sorted(len(data) for data in pictures.values())
    stays = [path.name for path in (root / "cache/fetched").rglob("*") if path.is_file()]
    assert [name for name in stays if not name.startswith(".half-")] == []


def test_a_file_that_may_grow_no_further_is_told_as_such(root):
    limit = 100_000  # bytes: less than the shard takes

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = refused(root, ingest(root, preexec_fn=limited))
    assert "a file grew larger than this system lets it (`ulimit -f`): ingest was writing to" in said
    assert "Nothing half-written is left" in said


def test_a_disk_that_fills_up_is_told_as_such_and_the_next_run_goes_on(root):
    """A real small file system, in a mount namespace that ends with the command."""
    mount = (
        f'mount -t tmpfs -o size={TMPFS_MB}m none .diptych/tmp && "$@"; code=$?; ls -A .diptych/tmp/ingest; exit $code'
    )
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system of his own")
    (root / ".diptych/tmp").mkdir(parents=True, mode=0o700)
    write_table(root / "own/captions.csv", paint(root / "own", 60, side=300, suffix="bmp"))  # 270 kB each
    one_core = partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})  # with more, more is on its way
    ran = ingest(root, *own, "sh", "-c", mount, "sh", preexec_fn=one_core)
    said = refused(root, ran)
    assert "the disk is full: ingest was writing to" in said
    assert "dvc gc --workspace" in said
    assert "ingest: write pictures" in ran.stdout, "it had begun"
    assert ran.stdout.splitlines()[-1].startswith("ingest: "), "and `ls` found nothing of it"
    assert "shards kept" not in ran.stdout
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "ingest: write pictures 60 of 60, shards kept 1"
    table = read_manifest(root / "data/raw/manifest.parquet")
    assert len(list(open_pictures(root / "data/raw", table))) == len(table) == 60
    assert not (root / ".diptych/resume/ingest").exists()
    assert all(path.stat().st_nlink == 1 for path in (root / "data/raw").rglob("*.tar"))


def test_a_stage_that_is_killed_goes_on_from_the_shards_it_has_kept(root):
    write_table(
        root / "own/captions.csv", paint(root / "own", 90, side=300, suffix="bmp")
    )  # shards of `train`, the first of which is whole after 48
    undisturbed = root.with_name("undisturbed")
    shutil.copytree(root, undisturbed)
    assert ingest(undisturbed).returncode == 0
    one_core = partial(os.sched_setaffinity, 0, {min(os.sched_getaffinity(0))})  # with more, more is on its way
    with Valve(root / "events") as valve:
        stage = subprocess.Popen(
            [sys.executable, "-m", "components.stages.ingest"], cwd=root, preexec_fn=one_core, text=True,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "DIPTYCH_EVENTS": str(valve.path)}, stderr=subprocess.PIPE,
        )  # fmt: skip
        valve.open_until(lambda event: event["doing"] == "write pictures" and event["done"] >= 58, stage)
        stage.kill()
        stage.communicate()
    assert not (root / "data/raw").exists()
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    assert "the last run was killed in ingest at write pictures " in ran.stdout
    assert "this one goes on from there" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "ingest: write pictures 90 of 90, shards kept 1"
    differ = subprocess.run(["diff", "-r", undisturbed / "data/raw", root / "data/raw"], capture_output=True, text=True)
    assert differ.returncode == 0, differ.stdout


def test_what_may_not_come_in_is_set_aside_or_stops_the_stage_as_params_say(root):
    params = yaml.safe_load((root / "params.yaml").read_text())
    lines = (root / "own/captions.csv").read_text().splitlines()
    said = [f"{line},{'no' if at % 10 == 5 else 'yes'}" for at, line in enumerate(lines[1:])]
    (root / "own/captions.csv").write_text("\n".join([f"{lines[0]},consent", *said]))
    asked = {**params["admit"], "consent": "required"}
    (root / "params.yaml").write_text(yaml.safe_dump({**params, "admit": {**asked, "otherwise": "close"}}))
    message = refused(root, ingest(root))
    assert "6 records may not come in: no_consent (6)" in message
    assert "write `otherwise: drop` to go on without them" in message
    (root / "params.yaml").write_text(yaml.safe_dump({**params, "admit": asked}))
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    rows = read_quarantine(root / "data/raw/quarantine.parquet")
    assert [row["reason"] for row in rows] == ["no_consent"] * 6
    assert len(read_manifest(root / "data/raw/manifest.parquet")) == 54


def test_a_picture_that_is_listed_reaches_no_shard(root):
    picture = (root / "own/0003.png").read_bytes()
    (root / "data/takedown.txt").write_text(f"{hashlib.sha256(picture).hexdigest()}  # asked for\n")
    ran = ingest(root)
    assert ran.returncode == 0, ran.stderr
    assert len(read_manifest(root / "data/raw/manifest.parquet")) == 59
    assert [(row["key"], row["reason"]) for row in read_quarantine(root / "data/raw/quarantine.parquet")] == [
        ("0003.png", "takedown")
    ]
    assert not any(picture in path.read_bytes() for path in (root / "data/raw").rglob("*.tar"))
