"""Classes that no text can tell apart are answered as CLIP_benchmark's own lines answer them."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from components.contracts.errors import ConfigError
from components.evaluation.namesakes import Namesakes
from components.evaluation.retrieval import ranks
from components.evaluation.zero_shot import ZeroShot
from tests.subjects import Told, subject_of


def theirs(logits: torch.Tensor, target: torch.Tensor, k: int) -> dict[str, float]:
    """CLIP_benchmark 1.6.2, `accuracy` and `evaluate` of zeroshot_classification.py."""
    pred = logits.topk(k, 1, True, True)[1].t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    n = len(target)
    found = {f"acc{at}": float(correct[:at].reshape(-1).float().sum(0, keepdim=True).numpy()[0]) / n for at in (1, k)}
    return found | {"mean": balanced_accuracy_score(target, logits.argmax(axis=1))}


@pytest.mark.parametrize("labels", [6, 40, 1_000])  # torch takes another way through a thousand than through a few
def test_accuracy_and_mean_are_what_clip_benchmark_counts(labels):
    draws = np.random.default_rng(0)
    texts = [f"class {number}" for number in range(labels)]
    for number in range(0, labels - 4, 5):
        texts[number + 4] = texts[number]
    texts[3] = texts[0]  # three of one name
    namesakes = Namesakes.of(texts)
    truth = np.concatenate([np.arange(labels), draws.integers(0, labels, 2_000)])
    scores = draws.standard_normal((len(truth), labels))
    scores[np.arange(len(truth)), truth] += draws.choice([0, 3], len(truth))
    scores = namesakes.tied(np.maximum(scores, scores[:, namesakes.first]).astype(np.float32))
    belongs = truth[:, None] == np.arange(labels)
    top, mean = namesakes.untied(ranks(scores, belongs), scores, belongs, 5)
    found = {f"acc{k}": float((top <= k).mean()) for k in (1, 5)}
    found["mean"] = float(np.mean([(mean[truth == label] == 1).mean() for label in range(labels)]))
    assert found == pytest.approx(theirs(torch.from_numpy(scores), torch.from_numpy(truth), 5), abs=1e-12)
    lost = ranks(scores, belongs)
    assert found["acc1"] > (lost <= 1).mean(), "a tie of namesakes does not count as lost"
    assert ((top <= lost) & (top >= 1)).all()


def test_of_two_alike_the_first_is_the_mean_s_answer_and_a_wrong_one_is_as_wrong_as_before():
    namesakes = Namesakes.of(["crane", "heron", "crane"])
    assert namesakes.first.tolist() == [0, 1, 0]
    scores = namesakes.tied(np.array([[3.0, 1.0, 9.0], [3.0, 1.0, 9.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    assert scores[0].tolist() == [3.0, 1.0, 3.0]
    belongs = np.eye(3, dtype=bool)[[0, 2, 0, 2]]
    top, mean = namesakes.untied(ranks(scores, belongs), scores, belongs, 3)
    assert mean.tolist() == [1, 2, 2, 3]
    assert sorted(top[:2]) == [1, 2]
    assert sorted(top[2:]) == [2, 3]


def test_names_that_differ_are_no_namesakes():
    assert not Namesakes.of(["crane", "heron"])
    assert Namesakes.of(["crane", "crane"])


def test_labels_are_asked_by_what_they_are_called(squares):
    """Colours by number, of which red and blue are both called warm."""
    called = {"green": "green", "red": "warm", "blue": "warm"}
    pictures = tuple(place for place, group in enumerate(squares.groups) if group["category"] in called)
    directions = {"green": [1.0, 0.0], "warm": [0.0, 1.0]}
    shown = {squares.pictures[place]: directions[called[squares.groups[place]["category"]]] for place in pictures}
    model = Told(shown, directions | {"a warm": [0.0, 1.0], "a green": [1.0, 0.0]})
    subject = subject_of(squares, model, model, {"train": (), "val": pictures})
    asked = ZeroShot(prompts="templates", templates=["a {}"], top=(1, 2), per_class=True, called=called)
    found = asked.measure(subject)
    rows = found.rows["zero_shot.val"].to_pylist()
    assert {(row["label"], row["rank"]) for row in rows if row["label"] == "green"} == {("green", 1)}
    assert {row["rank"] for row in rows if row["label"] != "green"} == {1, 2}
    assert all((row["first"] == row["label"]) == row["first_right"] for row in rows)
    by = {metric.name: metric.value for metric in found.metrics}
    assert by["zero_shot.val.category.top1"] == by["zero_shot.val.category.one_prompt.top1"] == pytest.approx(2 / 3)
    assert by["zero_shot.val.category.top2"] == 1
    assert by["zero_shot.val.category.mean_per_class"] == pytest.approx(2 / 3)
    with pytest.raises(ConfigError, match="called says nothing of blue, red"):
        ZeroShot(prompts="templates", templates=["a {}"], called={"green": "green"}).measure(subject)
