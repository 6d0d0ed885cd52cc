"""A challenger that shall search the champion's index, through the real stages: laid in, trained, asked on that index, packaged, judged."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from components.contracts.errors import ConfigError
from components.contracts.model_files import COMPATIBLE, MODEL_FILES, TOKENIZER, TRANSFORMS
from components.recipes.old_model import OldModel
from components.registry.champion import files_of
from components.registry.store import open_store
from components.registry.versions import by_label, register
from components.serving.package import Package
from flows.choices import Choices, choose
from flows.compatible import lay_in
from flows.promote import not_served, promote
from tests.workspace import dvc

pytestmark = pytest.mark.timeout(900)
METRIC = "compatible.pair.text_to_image.recall_at_1"
PRETRAINED = "runs/clip/pretrain"


@pytest.fixture(scope="module")
def root(own, tmp_path_factory) -> Path:
    """The workspace of a run, copied, whose package is the champion."""
    base = tmp_path_factory.mktemp("compatible") / "own"
    shutil.copytree(own.parent, base, symlinks=True)
    job = base / "job"
    promote(job, register(job / "runs/clip/package", job))
    return job


@pytest.fixture(scope="module")
def held(root) -> Path:
    """The same after `diptych run --compatible-with clip@champion`, up to its package."""
    folder = lay_in("clip@champion", root)
    choose(root, Choices(recipe="clip", compatible_with=folder, numbers=("seed=1",)), root)
    ran = dvc(root, "repro", "package@clip")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return root


def test_what_is_laid_in_is_the_version_and_names_its_space(root):
    place = lay_in("clip@champion", root)
    package = Package.verify(files_of(by_label(open_store(root), "clip@1"), root))
    assert place == f"models/clip-1-{package.digest[:8]}"
    assert lay_in("clip@1", root) == place, "asked twice, it is laid in once"
    assert {path.name for path in (root / place).iterdir()} == {*MODEL_FILES, COMPATIBLE}
    old = OldModel.read(root / place)
    assert old.as_json() == {"label": "clip@1", "digest": package.digest, "space": package.space}


def test_a_version_that_is_not_there_is_refused(root):
    with pytest.raises(ConfigError, match=r"no version 'clip@7'"):
        lay_in("clip@7", root)


def test_the_challenger_reads_and_sees_as_the_champion_and_says_whose_index_it_searches(held):
    folder = held / yaml.safe_load((held / "params.yaml").read_text())["recipes"]["clip"]["compatible_with"]
    for name in (TOKENIZER, TRANSFORMS):
        assert (held / PRETRAINED / name).read_bytes() == (folder / name).read_bytes()
    said = json.loads((held / "runs/clip/package/manifest.json").read_text())["compatible_with"]
    assert said == OldModel.read(folder).as_json()
    assert "train.compatible" in (held / PRETRAINED / "curves.csv").read_text().splitlines()[0]


def test_it_is_asked_on_the_old_index_beside_the_champions_own_queries(held):
    metric = json.loads((held / "runs/clip/evaluate/metrics.json").read_text())[METRIC]
    rows = pq.read_table(held / "runs/clip/evaluate/rows/compatible.pair.parquet").to_pylist()
    assert metric["n"] == len(rows)
    assert metric["baseline"] == pytest.approx(sum(row["baseline_rank"] == 1 for row in rows) / len(rows))


def test_the_gate_looks_at_the_claim(held):
    verdict = promote(held, register(held / "runs/clip/package", held))
    (finding,) = [one for one in verdict.ruling.findings if one.rule == "compatible"]
    assert finding.metric == METRIC
    assert "than queries of clip@1 on its index" in finding.says


def test_an_index_that_is_none_that_is_served_is_for_a_person(held):
    store = open_store(held)
    old = OldModel.read(held / lay_in("clip@1", held)).as_json()
    assert not_served(old, by_label(store, "clip@1"), held, store) is None
    assert not_served({**old, "digest": "d" * 64}, by_label(store, "clip@1"), held, store) is None, "packaged again"
    another = not_served({**old, "digest": "d" * 64, "space": "5" * 64}, by_label(store, "clip@1"), held, store)
    assert (another.held, another.queries) == ("uncertain", None)
    assert "trained to search that of clip@1" in another.says
    assert not_served(old, None, held, store).held == "told"
