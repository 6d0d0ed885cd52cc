"""`diptych estimate` as a person meets it, in a workspace in which all was run."""

import json
import shutil
import signal

import pytest
import yaml

from components.contracts.sealed import digest_of
from components.data.transforms.preprocess import Preprocess
from components.recipes.trained import save_trained
from flows.cli import main
from flows.estimating import tried
from tests.own_pictures import paint, write_table
from tests.squares import described_at_debug


@pytest.fixture(scope="module")
def job(own, tmp_path_factory):
    """A workspace in which all was run, to be looked at alone."""
    place = tmp_path_factory.mktemp("estimated") / "own"
    shutil.copytree(own.parent, place, symlinks=True)
    return place / "job"


@pytest.fixture
def estimate(job, monkeypatch, capsys):
    """Run the command in this process, in the workspace."""
    monkeypatch.chdir(job)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    monkeypatch.setattr(tried, "QUICK_S", 0.5)

    def run(*arguments: object) -> tuple[int, str, str]:
        return main(["estimate", *map(str, arguments)]), *capsys.readouterr()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def state(root):
    """Return the bytes of all that a run could change."""
    kept = [root / "params.yaml", root / "dvc.lock", *(path for path in (root / "runs").rglob("*") if path.is_file())]
    return digest_of({str(path): repr(path.read_bytes()) for path in kept})


def test_what_is_up_to_date_takes_nothing(estimate):
    code, out, err = estimate("clip")
    assert code == 0, err
    assert out.splitlines()[-1] == "nothing to do: all is up to date"


@pytest.mark.timeout(1200)
def test_a_training_is_said_by_a_few_of_its_steps_and_nothing_changes(estimate, job):
    before = state(job)
    code, out, err = estimate("clip", "--set", "training.steps=10000", "--json", "--price-per-hour", "3")
    assert code == 0, err
    assert state(job) == before
    assert not list((job / ".diptych/tmp").glob("estimate-*"))
    said = json.loads(out.splitlines()[-1])
    stages = {one["stage"]: one for one in said["stages"]}
    assert list(stages) == [
        "ingest", "validate", "curate@clip", "pretrain@clip", "finetune@clip", "evaluate@clip", "package@clip", "around",
    ]  # fmt: skip
    assert [name for name, one in stages.items() if one["seconds"] == 0] == ["ingest", "validate", "curate@clip"]
    trained, tuned = stages["pretrain@clip"], stages["finetune@clip"]
    scale = yaml.safe_load((job / "components/recipes/scales/debug.yaml").read_text())
    numbers = trained["numbers"]
    assert numbers["steps"] == tuned["numbers"]["steps"] == 10000, "it tunes for as many, by its share of 1"
    assert numbers["looks"] == 10000 // scale["watch_every"]
    assert numbers["checkpoints"] == 10000 // scale["checkpoint_every"] - 1
    assert "of 10,000 steps tried" in trained["how"]
    assert "the package served" in stages["around"]["how"], "no run has told yet what that takes"
    assert trained["seconds"] > 10000 * numbers["step_s"]
    assert said["seconds"] == pytest.approx(sum(one["seconds"] for one in said["stages"]))
    assert said["cost"] == pytest.approx(3 * said["seconds"] / 3600)
    assert said["memory_bytes"] == max(one["memory_bytes"] for one in said["stages"]) > 10**8


def test_what_needs_data_that_is_not_in_is_not_known_and_said(estimate, job):
    code, out, err = estimate("clip", "--set", "seed=3", "--json")
    assert code == 0, err
    said = json.loads(out.splitlines()[-1])
    assert said["seconds"] is None
    assert said["unknown"][:2] == ["ingest", "validate"]
    code, out, _ = estimate("clip", "--set", "seed=3")
    assert "dvc repro validate" in out.splitlines()[-1]


def test_what_cannot_be_run_is_said_with_the_nearest(estimate):
    for arguments, says in (
        (["clipp"], "there is no recipe 'clipp'"),
        (["clip", "--scale", "lptop"], "did you mean laptop"),
        (["clip", "--set", "training.stepps=3"], "steps"),
        (["clip", "--price-per-hour", "-1"], "--price-per-hour is -1.0"),
        (["adapt"], "adapt needs pictures and a model"),
        (["adapted", "nowhere", "--from", "nothing"], "Did you mean adapt?"),
        (["adapt", "nowhere", "--from", "nothing", "--scale", "large"], "--scale would change nothing"),
        (["adapt", "nowhere", "--from", "nothing"], "there is nothing there"),
    ):
        code, _, err = estimate(*arguments)
        assert code == 1
        assert says in err, err


def test_a_price_that_is_no_number_is_said(estimate, monkeypatch):
    monkeypatch.setenv("DIPTYCH_PRICE_PER_HOUR", "cheap")
    assert "DIPTYCH_PRICE_PER_HOUR is 'cheap'" in estimate("clip")[2]


@pytest.fixture
def untuned(job):
    """The workspace, whose params.yaml says nothing of how a recipe is tuned, meanwhile."""
    before = (job / "params.yaml").read_text()
    params = yaml.safe_load(before)
    params["overrides"]["finetuning"] = {}
    (job / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    yield job
    (job / "params.yaml").write_text(before)


@pytest.mark.timeout(1200)
def test_adapting_is_said_by_the_first_heats_of_its_race(estimate, untuned, clip, vocabulary, tmp_path):
    (tmp_path / "start").mkdir()
    save_trained(tmp_path / "start", clip.model, described_at_debug(vocabulary), vocabulary, Preprocess(size=32))
    write_table(tmp_path / "captions.csv", paint(tmp_path / "mine", 60))
    (tmp_path / "captions.csv").rename(tmp_path / "mine/captions.csv")
    before = state(untuned)
    asked = ("adapt", tmp_path / "mine", "--from", tmp_path / "start", "--budget", "10m", "--batch", 12, "--json")
    code, out, err = estimate(*asked, "--to", "adapted")
    assert code == 0, err
    (outside,) = json.loads(out.splitlines()[-1])["stages"]
    assert {heat["name"] for heat in outside["numbers"]["heats_ahead"]} <= {
        "lora",
        "last layers",
        "locked image",
        "whole",
    }
    assert max(heat["steps"] for heat in outside["numbers"]["heats_ahead"]) == 120, "30 times 48 pictures, 12 a step"
    assert not (untuned / "adapted").exists()
    code, out, err = estimate(*asked)
    assert code == 0, err
    stages = {one["stage"]: one for one in json.loads(out.splitlines()[-1])["stages"]}
    assert [heat["steps"] for heat in stages["finetune@adapted"]["numbers"]["heats_ahead"]][-1] == 120
    assert stages["start"]["seconds"] > 0
    assert state(untuned) == before
