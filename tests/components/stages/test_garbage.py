"""A stage imports without a look for garbage, and works with one; whoever else imports the same keeps its own ways."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from components.stages.garbage import STAGES

REPOSITORY = Path(__file__).parents[3]

# What `python -m components.stages.NAME` does, with an eye on the collector when the stage's imports end and in its body.
STAGE = """
import gc, sys
from components.stages.runtime import run_stage
print(gc.isenabled())
def body(stage):
    print(gc.isenabled(), gc.get_freeze_count() > 10_000)
sys.exit(run_stage("ingest", body))
"""


@pytest.fixture
def said(tmp_path):
    """Run a module of a `components` whose ingest is STAGE and whose rescore is too; return the lines that it prints."""
    package = tmp_path / "components"
    package.mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    for own in (REPOSITORY / "components").iterdir():
        if own.name != "stages":
            (package / own.name).symlink_to(own)
    (package / "stages").mkdir()
    for own in (REPOSITORY / "components/stages").glob("*.py"):
        (package / "stages" / own.name).symlink_to(own)
    for name in ("ingest", "rescore"):
        (package / f"stages/{name}.py").unlink()
        (package / f"stages/{name}.py").write_text(STAGE)

    def run(*command: str) -> list[str]:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[:-1]

    return run


def test_a_stage_looks_for_garbage_from_its_body_on_and_not_in_what_it_imported(said):
    assert said("-m", "components.stages.ingest") == ["False", "True True"]


def test_another_module_and_another_program_look_for_it_as_ever(said):
    assert said("-m", "components.stages.rescore")[0] == "True"
    assert said("-c", "import gc, components.stages; print(gc.isenabled())", "components.stages.ingest") == ["True"]


def test_the_stages_are_those_of_dvc_yaml_that_run_in_the_frame():
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    named = {
        word
        for stage in stages.values()
        for word in stage.get("do", stage)["cmd"].split()
        if word.startswith("components.stages.")
    }
    assert named == STAGES | {"components.stages.code"}
