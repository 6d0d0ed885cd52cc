"""Whatever a person gives, or the machine lacks: one clear message, an exit code, no traceback, nothing half done.

What own pictures can be is in tests/components/data/sources; keys and types of recipes in tests/components/recipes.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.stages.lock import hold
from components.stages.place import private
from tests.own_pictures import paint, write_texts
from tests.workspace import diptych, environment, make_workspace

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "workspace", source={"name": "scenes", "path": "data/own"})


def refused(run: subprocess.CompletedProcess[str], *says: str) -> str:
    """Hold a run to what all of them share, and return its sentence."""
    assert run.returncode == 1, run.stdout + run.stderr
    sentence = run.stderr.strip()
    assert "\n" not in sentence, "one sentence"
    assert sentence.startswith("diptych: ")
    assert "Traceback" not in run.stdout + run.stderr
    for part in says:
        assert part in sentence
    return sentence


def nothing_done(root: Path) -> None:
    assert not (root / "data/raw").exists()
    assert not (root / "dvc.lock").exists()
    assert not list((root / ".diptych").glob("outcome/*.json"))


def params(root: Path, old: str, new: str) -> None:
    path = root / "params.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_an_unknown_recipe_is_named_with_file_line_and_what_was_meant(root):
    refused(diptych(root, "run", "--recipe", "clpi"), "no recipe 'clpi'", "did you mean clip?")
    params(root, "  clip:", "  clpi:")
    refused(diptych(root, "run"), "params.yaml, line ", "no recipe 'clpi'", "did you mean clip?")
    refused(diptych(root, "status"), "params.yaml, line ", "did you mean clip?")
    nothing_done(root)


def test_a_key_that_no_class_takes_is_said_before_any_stage_works(root):
    recipe = root / "components/recipes/clip.yaml"
    recipe.write_text(recipe.read_text().replace("temperature: 0.07", "temprature: 0.07"))
    run = diptych(root, "run")
    refused(run, "clip.yaml, line ", "takes no 'temprature'", "Did you mean temperature?")
    nothing_done(root)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed: 0", "seed: 0\nseed: 1", ["params.yaml, line ", "'seed' stands here a second time"]),
        ("seed: 0", "seed: many", ["params.yaml, line ", "seed does not fit. It is 'many'"]),
        ("seed: 0", "sed: 0", ["params.yaml, line ", "Did you mean seed?"]),
        ("seed: 0", "seed: [", ["params.yaml, line ", "this is not YAML"]),
        ("path: data/own", "path: nowhere", ["params.yaml, line ", "source.path is 'nowhere', and there is nothing"]),
        ("scale: debug", "scale: debgu", ["params.yaml, line ", "did you mean debug?"]),
    ],
)
def test_a_mistake_in_params_yaml_is_said_with_its_line(old, new, says, root):
    params(root, old, new)
    refused(diptych(root, "run"), *says)
    nothing_done(root)


def test_pictures_that_nothing_can_be_learned_from_are_refused(root, tmp_path):
    """One of the ways; the others are told by the source in just this sentence (its tests have them all)."""
    said = paint(tmp_path / "mine", 1)
    write_texts(tmp_path / "mine", said)
    refused(diptych(root, "run", "--data", str(tmp_path / "mine")), "1 pictures with a caption in 1 groups, too few")
    assert not (root / "data/raw").exists()
    lock = root / "dvc.lock"
    assert set(yaml.safe_load(lock.read_text())["stages"]) == {"code"}, "which comes before the stage that refused them"


def test_a_second_run_in_the_same_workspace_is_refused_with_the_first_ones_pid(root):
    with hold(private(root, "locks") / "workspace.lock", "the workspace"):
        refused(diptych(root, "run"), "is already being worked on by process", f"kill {os.getpid()}")
        before = (root / "params.yaml").read_text()
        refused(diptych(root, "run", "--set", "seed=9"), "is already being worked on by process")
        assert (root / "params.yaml").read_text() == before
    nothing_done(root)


def test_no_git_is_said_and_how_to_get_it(root, tmp_path):
    (tmp_path / "bin").mkdir()
    refused(diptych(root, "run", PATH=str(tmp_path / "bin")), "there is no git on this machine", "apt-get install git")
    nothing_done(root)


def test_a_folder_that_may_not_be_written_is_named(root):
    folders = [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        run = subprocess.run(
            [str(root / "infra/python"), "-m", "flows.cli", "run"], cwd=root, env=environment(), text=True,
            capture_output=True, check=False, preexec_fn=_as_everybody,
        )  # fmt: skip
    finally:
        for folder in folders:
            folder.chmod(0o755)
    refused(run, ".diptych cannot be read or written by this user (Permission denied)", "a checkout of your own")
    nothing_done(root)


def _as_everybody() -> None:
    """Give up root's right to write anywhere, which it keeps even as it execs."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_where_the_locale_is_not_utf8_it_goes_on_in_utf8(root):
    run = diptych(root, "run", "--recipe", "très", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    said = run.stderr.splitlines()
    assert said[0].startswith("diptych: the locale C is not UTF-8"), run.stderr
    assert run.returncode == 1
    assert "there is no recipe 'très'" in said[1]
    assert len(said) == 2


def test_debug_shows_the_traceback_and_what_the_stage_wrote(root):
    broken = root / "components/stages/ingest.py"
    broken.write_text(broken.read_text().replace("params = load_params(stage.root)", "raise ValueError('as it is')"))
    plain, whole = (
        subprocess.run(
            [sys.executable, "-c", CALL, debug],
            cwd=root,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        for debug in ("", "--debug")
    )
    assert "Traceback" not in plain
    assert "ingest: ValueError: as it is (log in .diptych/logs/" in plain
    assert whole.endswith(plain), "the sentence comes last"
    assert "Traceback" in whole
    assert "components/stages/ingest.py" in whole, "the stage's own traceback is there"


CALL = """
import sys
from pathlib import Path
from flows.faults import told
from flows.workspace import Workspace
try:
    with Workspace.here("clip", Path.cwd()) as workspace:
        workspace.repro("ingest")
except Exception as err:
    print(told(err, Path.cwd(), "--debug" in sys.argv), file=sys.stderr)
"""
