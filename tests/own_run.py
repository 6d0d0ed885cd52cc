"""A person's own pictures through the whole of dvc.yaml, at `debug`, fine-tuned, calibration and slices measured: made once, for whoever looks at it."""

from pathlib import Path

import yaml
from filelock import FileLock

from components.recipes.params import UNTRAINED
from tests.own_pictures import SHAPES, paint, write_table, write_texts
from tests.their_sets import write_set
from tests.workspace import REPOSITORY, dvc, make_workspace

CALIBRATION = {
    "class_path": "components.evaluation.calibration.Calibration",
    "init_args": {
        "asks": {"class_path": "components.evaluation.zero_shot.ZeroShot", "init_args": {"label": "category"}}
    },
}
SLICES = {
    "class_path": "components.evaluation.slices.Slices", "init_args": {"of": "category", "floor": 1},
}  # fmt: skip
SETS = {
    "shapes": {"path": "data/sets/shapes"},
    "sayings": {"path": "data/sets/sayings", "source": {"name": "folder"}},
}  # fmt: skip
TUNING = {"class_path": "components.finetuning.locked.LockedImage", "init_args": {"share": 1.0, "alphas": [0.5]}}


def own_run(shared: Path) -> Path:
    """Return the workspace `shared`/own/job after `dvc repro`; its 60 pictures, one without a caption, are in ../mine.

    Whoever asks first makes it, in whatever process; the others wait. Nobody may change it: copy `shared`/own.
    """
    whole = shared / "own"
    with FileLock(shared / "own.lock"):
        if not whole.exists():
            made = shared / "own-unfinished"
            said = paint(made / "mine", 60)
            write_table(made / "mine/captions.csv", {**said, "0059.png": ("", said["0059.png"][1])}, label="category")
            listed = yaml.safe_load((REPOSITORY / "components/recipes/clip.yaml").read_text())["evaluation"][
                "evaluators"
            ]
            overrides = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["overrides"]
            overrides |= {
                "finetuning": TUNING,
                "evaluation": {"evaluators": [*listed, CALIBRATION, SLICES], "sets": SETS},
            }
            root = make_workspace(
                made / "job", source={"name": "table", "path": "../mine"}, gates={"max_broken": 0.05},
                recipes={"clip": {"start": UNTRAINED}}, overrides=overrides,
            )  # fmt: skip
            write_sets(root / "data/sets", made / "other")
            ran = dvc(root, "repro")
            assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
            made.rename(whole)
    return whole / "job"


def write_sets(sets: Path, aside: Path) -> None:
    """Write two sets of other pictures: `shapes` by class, as CLIP_benchmark keeps sets, and `sayings`, a folder with captions, one of them missing."""
    said = paint(aside, 12, side=44)
    rows = [
        {"png": (aside / name).read_bytes(), "cls": str(SHAPES.index(shape)).encode()}
        for name, (_, shape) in said.items()
    ]
    write_set(sets / "shapes", rows, SHAPES)
    said = paint(sets / "sayings", 9, side=48)
    write_texts(sets / "sayings", {name: both for name, both in said.items() if name != "0008.png"})
