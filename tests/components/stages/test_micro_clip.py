"""The small CLIP that proofs begin from: a model of ours, known by all that decides it. What it is worth stands in docs/starts.md."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.contracts.errors import ConfigError, DataError
from components.contracts.model_files import MODEL_FILES, WEIGHTS
from components.contracts.progress import silent
from components.data.sources.catalogue import build_source
from components.data.synthetic.scenes import ScenesSource
from components.recipes.micro_clip import MicroClip
from components.recipes.started import Start
from components.recipes.trained import load_trained
from components.recipes.yaml_lines import read_yaml
from components.stages.learnt import BESIDE, Learnt
from components.stages.micro_clip import SCENE, VIEWS, micro_clip
from components.stages.micro_clip import described as described_by
from components.stages.recalled import makeable

REPOSITORY = Path(__file__).parents[3]
FEW = MicroClip(scenes=240, batch=16, steps=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A workspace's recipes and code, to be edited."""
    root = tmp_path_factory.mktemp("micro")
    shutil.copytree(REPOSITORY / "components", root / "components", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, root)
    return root


@pytest.fixture(scope="module")
def folder(root) -> Path:
    return micro_clip(root, FEW)


def never(doing: str, done: int, total: int, **seen: float) -> None:
    pytest.fail(f"{doing}, which was done before")


def test_it_is_a_model_that_a_run_can_begin_from(root, folder):
    assert {*MODEL_FILES, "metrics.json", "manifest.json", BESIDE} == {path.name for path in folder.iterdir()}
    assert Start.read(root, str(folder.relative_to(root))).embedder.preprocess.size == FEW.pixels
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["zero_shot.pair.category.top1"]["chance"] == pytest.approx(1 / 8)
    assert metrics["retrieval.pair.image_to_text.recall_at_1"]["n"] > 10


def test_what_it_learnt_from_lies_beside_it_and_is_told_where_all_is_as_it_was_made(root, folder, tmp_path):
    found = Learnt.of(folder)
    assert found is not None
    assert (found.owner, found.selection) == (root, "micro_clip")
    drawn = ScenesSource(pictures=FEW.scenes, scene=SCENE, regions=False).samples(FEW.seed, silent)
    trained = {one.key: one.media[0].data for one in drawn if one.split == "train"}
    pool = found.pictures()
    assert dict(zip(pool.keys, pool.pictures, strict=True)) == trained
    assert found.optimisation == described_by(root, FEW).training.optimisation
    assert found.views == {**VIEWS, "zoom": [*VIEWS["zoom"]]} == makeable(found.views)
    assert Learnt.of(shutil.copytree(folder, tmp_path / "starts" / folder.name)) is None, "a folder of anybody's"
    kept = Path(shutil.copytree(folder, tmp_path / ".diptych/starts" / folder.name))
    assert Learnt.of(kept).owner == tmp_path
    shard = next((kept / BESIDE / "train").iterdir())
    shard.write_bytes(shard.read_bytes()[:-512])
    with pytest.raises(DataError, match=f"{folder.name} is not as it was made.*Name micro_clip again"):
        Learnt.of(kept)


def test_it_is_not_drawn_by_the_seed_of_the_sets_that_it_may_be_measured_on():
    def drawn(source, seed):
        return {(one.key, one.texts[0].text) for one in source.samples(seed, silent)}

    usual = ScenesSource(pictures=600, scene=SCENE, regions=False)
    learnt = drawn(usual, MicroClip().seed)
    listed = read_yaml(REPOSITORY / "components/recipes/adapted.yaml").values["evaluation"]["sets"]
    sets = {name: said["source"] for name, said in listed.items() if said["source"]["name"] == "scenes"}
    assert {*sets} == {"general", "drawn"}
    for said in sets.values():
        measured = drawn(build_source(said), 0)
        assert not learnt & measured
        assert drawn(usual, 0) & measured, "one seed draws the same things at any size, and no pixel is alike"


def test_asked_again_it_trains_nothing(root, folder):
    assert micro_clip(root, FEW, never) == folder


def test_another_workspace_can_keep_it(root, folder, tmp_path):
    shutil.copytree(folder, tmp_path / ".diptych/starts" / folder.name)
    assert micro_clip(root, FEW, never, kept_in=tmp_path) == tmp_path / ".diptych/starts" / folder.name


def test_a_spoilt_one_is_trained_anew_to_the_same_bits(root, folder):
    weights = folder / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4])
    assert micro_clip(root, FEW) == folder
    assert weights.read_bytes() == whole


def test_whatever_decides_the_weights_names_it(root, folder):
    class Trains(Exception):
        pass

    def stop(doing: str, done: int, total: int, **seen: float) -> None:
        raise Trains

    for edited in (
        "components/recipes/clip.yaml",
        "components/objectives/softmax.py",
        "components/data/synthetic/brush.py",
    ):
        text = (root / edited).read_text()
        (root / edited).write_text(text.replace("temperature: 0.07", "temperature: 0.08") + "\n")
        with pytest.raises(Trains):
            micro_clip(root, FEW, stop)
        (root / edited).write_text(text)
    with pytest.raises(Trains):
        micro_clip(root, replace(FEW, seed=1), stop)
    (root / "components/serving/export.py").write_text("# has no part in it\n")
    assert micro_clip(root, FEW, never) == folder


def test_a_patch_makes_its_picture_tower_a_transformer_with_as_many_tokens(root):
    made = micro_clip(root, replace(FEW, patch=16))
    assert load_trained(made).model.image.net.patch_embed.num_patches == (FEW.pixels // 16) ** 2
    assert described_by(root, FEW).model["init_args"]["image"]["init_args"]["net"] == "resnet18"


def test_an_offset_and_a_kept_temperature_come_with_it(root):
    model = load_trained(micro_clip(root, replace(FEW, offset=20.0, temperature=0.02))).model
    assert model.image_projection.linear.bias.norm().item() == pytest.approx(20, abs=1)
    assert model.text_projection.linear.bias.norm().item() == pytest.approx(20, abs=1)
    assert model.logit_scale().item() == pytest.approx(50, rel=1e-6)
    assert not model.logit_scale.log_scale.requires_grad


@pytest.mark.parametrize("numbers", [{"offset": -1.0}, {"temperature": 0.0}])
def test_an_offset_or_a_temperature_that_is_none_is_refused(numbers):
    with pytest.raises(ConfigError, match="Give an offset of 0 or more"):
        MicroClip(**numbers)


@pytest.mark.parametrize("patch", [0, 7])
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(ConfigError, match=f"patch is {patch}, and 32 pixels do not split.*such as 8"):
        MicroClip(patch=patch)
