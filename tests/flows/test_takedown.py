"""`diptych takedown`: pictures go, versions that saw them are marked once and need a person to be promoted, a run is opened once."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.model_files import MODEL_FILES, model_digest
from components.data.manifest import read_manifest
from components.registry.promotion import VERDICT
from components.registry.store import open_store
from components.registry.versions import by_label
from components.serving.endpoint import read_stopped, stop_endpoint
from flows.cli import main
from flows.data.remove import remove
from flows.lineage.known import versions
from flows.lineage.takedown import PLAN, take_down
from flows.promote import began_as, taken_down
from flows.same_queries import manifest_of
from tests.flows.registered import serve, version
from tests.flows.versioned import names, workspace

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workspace with two versions: of today's data, and of data that nobody has."""
    root = workspace(tmp_path_factory.mktemp("made") / "work", names(20), 15_000)
    (root / "params.yaml").write_text("recipes: {clip: {start: data/untrained.txt}}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        first = version(root, "one")
        version(root, "two", data_digest="dead" * 16, lock={})
        serve(root, first)
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(made, tmp_path / "work", symlinks=True)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def marks(root: Path) -> dict[str, list[dict]]:
    return {its.label: json.loads(its.tags.get("diptych.takedown", "[]")) for its in versions(root)}


def keys(root: Path) -> list[str]:
    return read_manifest(root / "data/raw/manifest.parquet")["key"].to_pylist()


def test_pictures_go_versions_are_marked_and_the_command_is_said(root, capsys):
    (root / "keys.txt").write_text("k003\n")
    assert main(["takedown", "k002", "--keys", "keys.txt", "--reason", "asked\nfor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("samples removed: 2; ")
    at = lines.index("model versions that saw them, now marked in the registry:")
    assert lines[at + 1] == "  clip@1: trained on 1, chosen by 1; served at 127.0.0.1:8123 until another is"
    assert lines[at + 2].startswith("  clip@2: cannot be told: the data it was made from (digest deaddeaddead)")
    assert lines[at + 3 :] == ["to train without them: diptych run --recipe clip"]
    assert not {"k002", "k003"} & set(keys(root))
    said = marks(root)
    (one,), (two,) = said["clip@1"], said["clip@2"]
    assert {its.tags[VERDICT] for its in versions(root)} == {"needs_a_person"}  # whatever was found before
    assert (one["how"], one["why"], one["learned"]) == ({"trained on": 1, "chosen by": 1}, "asked for", True)
    assert two["sentence"].startswith("may have seen what was taken down 20")
    assert main(["lineage", "clip@1"]) == 0
    assert "taken down trained on 1, chosen by 1 of what was taken down 20" in capsys.readouterr().out


def test_what_was_stopped_and_learned_from_them_does_not_go_on_and_that_is_said(root, capsys):
    stop_endpoint(root)
    take_down(root, ["k004"], "it was only measured with that")
    assert read_stopped(root) is not None
    assert main(["takedown", "k002", "--reason", "asked for"]) == 0
    assert read_stopped(root) is None
    said = capsys.readouterr().out
    assert "  clip@1: trained on 1; was served until diptych down, and diptych up serves nothing now\n" in said


def test_asked_again_nothing_is_done_twice(root, capsys):
    take_down(root, ["k002"], "asked for")
    before = marks(root), (root / "data/takedown.txt").read_text(), keys(root)
    again = take_down(root, ["k002"], "asked for, again")
    assert (marks(root), (root / "data/takedown.txt").read_text(), keys(root)) == before
    assert again.removal is None
    assert [one["version"] for one in again.versions] == ["clip@1", "clip@2"]
    other = take_down(root, ["k005"], "another")
    assert other.removal is not None
    assert [mark["why"] for mark in marks(root)["clip@1"]] == ["asked for", "another"]


def test_a_picture_that_was_removed_before_is_found_in_what_versions_were_made_from(root):
    remove(root, ["k002"], "by itself", False)
    done = take_down(root, ["k002"], "asked for")
    assert (done.removal, done.versions[0]["how"]) == (None, {"trained on": 1})
    assert len(marks(root)["clip@1"]) == 1


def test_a_version_that_was_only_measured_with_them_is_marked_and_need_not_be_trained_again(root):
    done = take_down(root, ["k004"], "asked for")
    assert done.versions[0]["how"] == {"measured with": 1}
    store = open_store(root)
    assert taken_down(by_label(store, "clip@1"), store) == []
    (finding,) = taken_down(by_label(store, "clip@2"), store)
    assert (finding.rule, finding.held, finding.queries) == ("takedown", "uncertain", None), "for a person"
    assert "may have seen what was taken down" in finding.says
    take_down(root, ["k002"], "asked for")
    (finding,) = taken_down(by_label(store, "clip@1"), store)
    assert "trained on 1 of what was taken down" in finding.says
    assert "train without them: diptych run --recipe clip" in finding.says


def test_what_began_as_a_version_that_learned_from_them_is_marked_and_waits_for_that_one(root, capsys):
    (root / "models/clip-8888").mkdir(parents=True)
    for name in MODEL_FILES:
        (root / "models/clip-8888" / name).write_text(name)
    start = {"path": "models/clip-8888", "digest": model_digest(root / "models/clip-8888")}
    learned = {"models": {"pretrain": "7" * 64, "finetune": start["digest"]}}
    adapted = {"data_digest": "beef" * 16, "lock": {}, "models": {"pretrain": start["digest"], "finetune": "9" * 64}}
    version(root, "three", **learned)
    version(root, "four", name="adapted", start=start, **adapted)
    params = {"clip": {"start": "data/untrained.txt"}, "adapted": {"start": start["path"]}}
    (root / "params.yaml").write_text(json.dumps({"recipes": params}))
    assert main(["takedown", "k002", "--reason", "asked for"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  adapted@1: began as clip@3: trained on 1" in lines
    left = "adapted begins from models/clip-8888, a copy of clip@3: train that one without them, and name what comes of it as the start of adapted"
    assert lines[-2:] == ["to train without them: diptych run --recipe clip", left]
    assert marks(root)["adapted@1"][0]["learned"]
    version(root, "five", name="adapted", start=start, **adapted)  # after it, from the copy that is still there
    store = open_store(root)
    its = by_label(store, "adapted@2")
    (finding,) = taken_down(its, store, began_as(manifest_of(its, root, store), root))
    assert (finding.rule, finding.held) == ("takedown", "uncertain")
    assert finding.says.startswith("it began as clip@3: trained on 1 of what was taken down 20")
    assert finding.says.endswith("; train clip@3 without them, and begin from what comes of it")
    params["adapted"]["start"] = "models/theirs"  # another model by now, which has nothing to do with them
    (root / "params.yaml").write_text(json.dumps({"recipes": params}))
    (root / "models/theirs").mkdir()
    for name in MODEL_FILES:
        (root / "models/theirs" / name).write_text("theirs")
    other = take_down(root, ["k006"], "a third")
    assert ([one.recipe for one in other.runs], other.copies) == (["adapted", "clip"], [])
    params["adapted"]["start"] = "runs/clip/finetune"
    (root / "params.yaml").write_text(json.dumps({"recipes": params}))
    again = take_down(root, ["k005"], "another")
    assert ([one.recipe for one in again.runs], again.copies) == (["adapted", "clip"], []), "DVC makes its start again"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["k002"], "a takedown takes a reason, which is kept with every version that it marks"),
        (["--reason", "asked"], "no picture is named"),
        (["K003", "--reason", "asked"], "has no sample 'K003' (nearest: k003"),
        ([*names(20), "--reason", "asked"], "all 20 samples of data/raw would go, and nothing was done"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_left_of_it(root, capsys, asked, why):
    assert main(["takedown", *asked]) == 1
    assert why in capsys.readouterr().err
    assert len(keys(root)) == 20
    assert marks(root) == {"clip@1": [], "clip@2": []}
    assert not (root / ".diptych/takedown" / PLAN).exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from flows.lineage.takedown import take_down

writes, seen = {"os.rename", "os.remove", "shutil.rmtree", "sqlite3.connect"}, 0

def hook(event, arguments):
    global seen
    opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if opens or event in writes:
        seen += 1
        if seen == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
take_down(Path.cwd(), ["k002"], "asked for")
print(seen)
"""


def taking_down(root: Path, kill_at: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Take a picture down in a process of its own that is killed at its n-th change of the disk; without one, it says how many it made."""
    command = [sys.executable, "-c", KILLED, str(kill_at)]
    here = os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment
    return subprocess.run(command, cwd=root, env=here, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def changes(made, tmp_path_factory) -> int:
    """How often a takedown changes the disk."""
    whole = tmp_path_factory.mktemp("whole") / "work"
    shutil.copytree(made, whole, symlinks=True)
    ran = taking_down(whole, 0)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("part", range(5))
def test_a_kill_at_any_moment_is_gone_on_from(root, changes, part):
    assert changes > 20
    assert taking_down(root, 1 + part * (changes - 2) // 4).returncode == -signal.SIGKILL
    done = take_down(root, ["k002"], "asked for")
    assert [one["version"] for one in done.versions] == ["clip@1", "clip@2"]
    assert keys(root) == [name for name in names(20) if name != "k002"]
    assert {label: len(found) for label, found in marks(root).items()} == {"clip@1": 1, "clip@2": 1}
    assert list((root / ".diptych/takedown").iterdir()) == []


def test_where_a_server_is_known_one_run_is_scheduled_however_often_it_is_asked(root, prefect_api, monkeypatch):
    from prefect.client.orchestration import get_client

    from flows.pipeline import pipeline

    monkeypatch.setenv("PREFECT_API_URL", prefect_api)
    none = take_down(root, ["k005"], "asked for")
    assert "has no deployment pipeline/manual, so nothing is scheduled: prefect deploy --all" in none.runs[0].sentence
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(flow_id=client.create_flow(pipeline), name="manual")
        try:
            first, again = (take_down(root, ["k002"], "asked for").runs[0] for _ in range(2))
            assert first.flow_run == again.flow_run is not None
            run = client.read_flow_run(first.flow_run)
            assert (run.parameters, run.tags, run.state.is_scheduled()) == ({"recipe": "clip"}, ["takedown"], True)
        finally:
            client.delete_deployment(deployment)


def test_a_server_that_does_not_answer_is_told_and_the_rest_is_done(root):
    ran = taking_down(root, 0, PREFECT_API_URL="http://127.0.0.1:9/api")
    said = ran.stderr.splitlines()[-1]
    assert said.startswith(
        "components.contracts.errors.TransientError: the Prefect server at http://127.0.0.1:9/api does not answer"
    )
    assert len(marks(root)["clip@1"]) == 1
    done = take_down(root, [], "")
    assert done.runs[0].sentence == "to train without them: diptych run --recipe clip"
    assert len(marks(root)["clip@1"]) == 1
