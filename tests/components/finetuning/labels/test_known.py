"""Pictures that were not there when labels were chosen are told by what was said of those that were."""

from dataclasses import replace

from components.contracts.progress import silent
from components.data.selection import Pool
from components.finetuning.labels.answers import Answers
from components.finetuning.labels.choice import choice_of
from components.finetuning.labels.known import Known
from tests.subjects import Told, subject_of


def pool(captions: list[str], labels: list[str] | None = None) -> Pool:
    keys = tuple(f"p{place}" for place in range(len(captions)))
    return Pool(
        keys=keys, pictures=tuple(key.encode() for key in keys), captions=tuple((text,) for text in captions), concepts=tuple(captions),
        sources=("",) * len(keys), groups=tuple({"category": label} for label in labels or ()),
    )  # fmt: skip


def test_captions_say_the_label_where_they_said_it_before():
    choice = choice_of({"train": pool(["cat", "dog"] * 4), "val": pool(["dog"])})
    known = Known.from_json({"labels": list(choice.labels), "called": dict(choice.called)})
    assert known == Known.of(choice)
    assert known.label_of(pool(["dog", "fish", "cat"])) == ("dog", None, "cat")


def test_the_column_says_it_where_it_did_before():
    labels = ["feline", "canine"] * 4
    choice = choice_of({"train": pool(["cat", "dog"] * 4, labels), "val": pool(["dog"], ["canine"])}, "labels")
    known = Known.from_json({"labels": list(choice.labels), "called": dict(choice.called)})
    assert known.label_of(pool(["a fish", "a pup"], ["fish", "canine"])) == (None, "canine")
    given = known.pool(pool(["a pup", "a fish"], ["canine", "fish"]))
    assert given.labelled("class") == ("canine", None)
    assert given.concepts == given.keys


def test_pictures_of_one_series_are_counted_as_one_thing():
    own = replace(pool(["cat", "dog", "cat", "dog"]), series=("x", "x", None, None))
    known = Known(labels=("cat", "dog"), called={"cat": "cat", "dog": "dog"})
    told = Told({one: [1.0, 0.0] for one in own.pictures}, {"cat": [1.0, 0.0], "dog": [0.0, 1.0]})
    subject = subject_of(own, told, told, {"train": range(0), "pair": range(4)})
    found = Answers(known.labels, None, "its own text", known).measure(subject)
    assert found.rows["zero_shot.pair"]["group"].to_pylist() == ["p0", "p0", "p2", "p3"]


def test_where_captions_were_asked_for_there_is_nothing_to_know():
    assert Known.from_json({"labels": [], "way": "lora"}) is None


def test_pictures_of_a_label_that_nobody_learnt_are_said_and_not_counted():
    own = pool(["cat", "dog", "fish", "dog"])
    known = Known(labels=("cat", "dog"), called={"cat": "cat", "dog": "dog"})
    told = Told(
        dict(zip(own.pictures, ([1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.1]), strict=True)), {"cat": [1.0, 0.0], "dog": [0.0, 1.0]},
    )  # fmt: skip
    subject = subject_of(own, told, told, {"train": range(0), "pair": range(4)})
    assert subject.progress is silent
    found = Answers(known.labels, None, "its own text", known).measure(subject)
    (one,) = found.metrics
    assert (one.name, one.n, one.value) == ("zero_shot.pair.class.top1", 3, 2 / 3)
    assert list(found.without) == ["1 of 4 pictures of zero_shot.pair.class"]
    assert found.rows["zero_shot.pair"]["query"].to_pylist() == ["p0", "p1", "p3"]
