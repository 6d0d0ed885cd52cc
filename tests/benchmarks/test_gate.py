"""What the benchmark draws is what it says, and both sides draw the same."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contracts.promotion import Rules
from components.evaluation.gate import compared
from tests.benchmarks.gate import promoted
from tests.benchmarks.gate_speed import CASES, sides
from tests.benchmarks.peers import gate_draws
from tests.benchmarks.peers.gate_draws import RIGHT, SCENES, Scene


def test_models_are_as_good_as_the_scene_says():
    ours, theirs = Scene(pictures=40_000, guards=1, gain=0.05, fall=0.02).drawn(0)
    assert theirs.mean(1) == pytest.approx([RIGHT, RIGHT], abs=0.01)
    assert ours.mean(1) == pytest.approx([RIGHT + 0.05, RIGHT - 0.02], abs=0.01)
    assert 0.12 < (ours[1] != theirs[1]).mean() < 0.17, "one in seven"


def test_of_ten_guards_one_may_fall_alone():
    ours, theirs = Scene(pictures=20_000, captions=5, guards=10, fall=0.02, fallen=1).drawn(0)
    assert ours.mean(1) - theirs.mean(1) == pytest.approx([0.0, -0.02, *[0.0] * 9], abs=0.008)
    both = [scene for scene in SCENES.values() if scene.captions == 5 and scene.guards == 10]
    assert sorted((scene.fallen, scene.fall, scene.margin) for scene in both if scene.fallen) == [(1, 0.02, 0.02)]
    assert [scene.fall for scene in both if scene.fallen is None] == [0.0]


@pytest.mark.parametrize("case", CASES)
def test_the_speed_is_of_two_models_that_mostly_agree(case):
    ours, theirs = sides(case, 20_000)
    found = compared(ours, theirs, "primary", Rules(draws=400), 0)
    assert abs(found.value) < 0.02 < found.ours
    assert found.groups == 20_000 // CASES[case]
    assert 0.0001 < found.draws.std() < 0.02


def test_captions_of_a_picture_go_wrong_together():
    ours, theirs = Scene(pictures=5000, captions=5).drawn(0)
    apart = (ours[0].astype(float) - theirs[0]).reshape(5000, 5)
    assert apart.mean(1).var() > 1.5 * apart.var() / 5
    alone = np.random.default_rng(0).permutation(apart.ravel()).reshape(5000, 5)
    assert alone.mean(1).var() == pytest.approx(apart.var() / 5, rel=0.1)


def test_a_run_is_the_same_wherever_it_is_drawn():
    command = "from gate_draws import Scene; print(Scene(pictures=50, guards=1).drawn(3)[0].sum(1).tolist())"
    folder = Path(gate_draws.__file__).parent
    said = subprocess.run([sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(Scene(pictures=50, guards=1).drawn(3)[0].sum(1).tolist())


@pytest.mark.parametrize(
    ("scene", "least", "most"),
    [
        (Scene(pictures=400, gain=0.15), 10, 10), (Scene(pictures=400, gain=-0.15), 0, 0),
        (Scene(pictures=400, guards=2, gain=0.15, fall=0.2), 0, 0), (replace(SCENES["equal models"], pictures=300), 0, 3),
    ],
)  # fmt: skip
def test_promotions_are_counted(scene, least, most):
    assert least <= promoted(scene, 10) <= most
