"""What the benchmark compares is the same on both sides: open_clip's own model, transform and tokenizer say what our command says.

The peer's formulas are written out here, so that the numbers are held to them without its environment.
"""

import io
import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from components.data.evaluation_set import read_set
from flows.evaluate import Asked, evaluate
from tests.benchmarks.clip_benchmark import CLASSIFIED, KS, TEMPLATES, THEIRS, draw_sets, make_model, ranked

FEW = TEMPLATES[::10]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Sets, model and what our command found."""
    folder = tmp_path_factory.mktemp("clip_benchmark")
    sets = draw_sets(folder, pictures=48, colours=3, size_px=72, templates=FEW)
    make_model(folder / "model", None, sets, steps=2)
    evaluate(Asked(path=folder / "model", ks=KS, namesakes=True), list(sets.values()), folder / "found", as_json=False)
    metrics = [json.loads((folder / "found" / name / "metrics.json").read_text()) for name in sets]
    return folder, sets, {key: its for one in metrics for key, its in one.items()}


@pytest.fixture(scope="module")
@torch.inference_mode()
def theirs(made) -> dict[str, float]:
    """What CLIP_benchmark 1.6.2 computes, of features that open_clip gives."""
    folder, sets, _ = made
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder / 'model'}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder / 'model'}")
    model.eval()

    def shown(pool) -> torch.Tensor:
        pixels = [transform(Image.open(io.BytesIO(data)).convert("RGB")) for data in pool.pictures]
        return normalize(model.encode_image(torch.stack(pixels)), dim=-1)

    found = {}
    for name in CLASSIFIED:
        one = read_set(sets[name], namesakes=True)
        said = [
            model.encode_text(tokens([template.replace("{}", text) for template in one.templates]))
            for text in one.called.values()
        ]
        classes = torch.stack([normalize(normalize(part, dim=-1).mean(0), dim=-1) for part in said])
        truth = torch.tensor([one.classes.index(label) for label in one.pool.labelled("class")])
        logits = 100 * shown(one.pool) @ classes.T
        right = logits.topk(5).indices == truth[:, None]
        found[f"{name}.acc1"], found[f"{name}.acc5"] = (
            its.any(1).float().mean().item() for its in (right[:, :1], right)
        )
        first = logits.argmax(1) == truth
        each = [first[truth == number].float().mean() for number in truth.unique()]
        found[f"{name}.mean_per_class_recall"] = float(np.mean(each))

    pool = read_set(sets["said"]).pool
    texts, owner = zip(*((text, place) for place, own in enumerate(pool.captions) for text in own), strict=True)
    scores = normalize(model.encode_text(tokens(list(texts))), dim=-1) @ shown(pool).T
    belongs = torch.tensor(owner)[:, None] == torch.arange(len(pool))
    for k in KS:
        for name, (values, pairs) in {"image": (scores, belongs), "text": (scores.T, belongs.T)}.items():
            hit = pairs.gather(1, values.topk(k, dim=1).indices).any(1)
            found[f"said.{name}_retrieval_recall@{k}"] = hit.float().mean().item()
    return found


@pytest.mark.parametrize("name", THEIRS)
def test_both_come_to_the_same(name, made, theirs):
    assert made[2][name]["value"] == pytest.approx(theirs[f"{name.split('.')[1]}.{THEIRS[name]}"], abs=1e-6)


def test_the_numbers_are_neither_none_nor_all(made):
    asked = [made[2][name] for name in THEIRS]
    assert any(0 < its["value"] < 1 for its in asked)
    assert all(its["n"] >= 48 for its in asked)


def test_no_two_captions_are_alike_and_every_class_is_asked_for_by_80_templates(made):
    _, sets, _ = made
    captions = [text for own in read_set(sets["said"]).pool.captions for text in own]
    assert len(set(captions)) == len(captions) > 3 * 48
    assert len(set(TEMPLATES)) == len(TEMPLATES) == 80
    assert len(read_set(sets["kinds"]).classes) > 10


def test_classes_that_are_called_alike_are_many(made):
    alike = read_set(made[1]["alike"], namesakes=True)
    assert len(alike.namesakes) > 1
    assert set(alike.namesakes) < set(alike.called.values())


def test_ranking_is_measured_in_a_process_that_ranks():
    said = ranked(pictures=30, each=2, width=8)
    assert (said["pictures"], said["texts"]) == (30, 60)
    assert 0 < said["mean_recall"] < 1
    assert said["peak_gb"] > 0
