"""Top-1 by given vectors is the number that zero-shot classification has of the same prompts."""

import numpy as np

from components.data.evaluation_set import LABEL
from components.evaluation.prompts import one_prompt
from components.evaluation.zero_shot import ZeroShot
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.way import LabelVectors
from tests.subjects import Told, part_of, subject_of


def test_vectors_of_prompts_give_what_zero_shot_gives(squares):
    pools = {name: part_of(squares, range(50)) for name in ("train", "val", "pair")}
    choice = choice_of(pools, "labels")
    pool = choice.pool("pair", squares)
    places = {label: place for place, label in enumerate(choice.labels)}
    directions = {label: [float(place == of) for place in range(5)] for label, of in places.items()}
    told = Told(
        {data: [1.0 + (number % 7 == 0), *([0.6] * 4)] if number % 3 else directions[label] for number, (data, label) in enumerate(zip(pool.pictures, choice.of["pair"], strict=True))},
        directions,
    )  # fmt: skip
    subject = subject_of(pool, told, told, {"train": range(50), "pair": range(50)})
    asked = one_prompt({label: label for label in choice.labels}, told.texts)
    ours = Answers(choice.labels, LabelVectors(vectors=asked.vectors, counts=asked.counts), "its own text").measure(
        subject
    )
    theirs = ZeroShot(label=LABEL, prompts="label").measure(subject)
    (one,) = ours.metrics
    other = next(metric for metric in theirs.metrics if metric.name == one.name)
    assert (one.name, one.value, one.n, one.low, one.high) == (other.name, other.value, other.n, other.low, other.high)
    assert 0.2 < one.value < 1
    assert ours.rows["zero_shot.pair"]["rank"].equals(theirs.rows["zero_shot.pair"]["rank"])


def test_where_one_label_is_nearly_all_there_is_its_mean_over_labels_stands_beside(squares):
    pools = {name: part_of(squares, range(50)) for name in ("train", "val", "pair")}
    choice = choice_of(pools, "labels")
    first = [place for place, label in enumerate(choice.of["pair"]) if label == choice.labels[0]]
    other = next(place for place, label in enumerate(choice.of["pair"]) if label == choice.labels[1])
    pool = part_of(choice.pool("pair", squares), [*first, other])
    always = [[1.0, 0.0, 0.0, 0.0, 0.0], *([[0.0, 1.0, 0.0, 0.0, 0.0]] * 4)]
    told = Told(dict.fromkeys(pool.pictures, always[0]), {})
    subject = subject_of(pool, told, told, {"train": range(len(pool)), "pair": range(len(pool))})
    vectors = LabelVectors(vectors=np.array(always, np.float32), counts=(1,) * 5)
    metrics = {one.name: one for one in Answers(choice.labels, vectors, "its own text").measure(subject).metrics}
    assert metrics["zero_shot.pair.class.top1"].value == len(first) / (len(first) + 1)
    assert metrics["zero_shot.pair.class.mean_per_class"].value == 0.5
