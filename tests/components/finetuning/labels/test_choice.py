"""When labels are asked for, and when captions are: on tables small enough to decide by eye."""

import pytest

from components.contracts.errors import ConfigError
from components.data.selection import Pool
from components.finetuning.labels.choice import choice_of


def pool(captions: list[tuple[str, ...]], labels: list[str] | None = None) -> Pool:
    groups = tuple({"category": label} if label else {} for label in labels) if labels else ()
    return Pool(
        keys=tuple(f"p{place}" for place in range(len(captions))), pictures=(b"",) * len(captions), captions=tuple(captions),
        concepts=tuple(" | ".join(sorted({text.casefold() for text in texts})) for texts in captions), sources=("",) * len(captions), groups=groups,
    )  # fmt: skip


def pools(train, val, labels=None, val_labels=None):
    return {"train": pool(train, labels), "val": pool(val, val_labels), "pair": pool(val, val_labels)}


CAT, DOG = ("a cat",), ("A dog",)


def test_few_captions_of_several_pictures_each_are_labels():
    choice = choice_of(pools([CAT, DOG] * 4, [DOG, CAT]))
    assert choice.labels == ("A dog", "a cat")
    assert choice.of["train"] == ("a cat", "A dog") * 4
    assert choice.of["pair"] == ("A dog", "a cat")
    assert not choice.captions_differ


def test_a_caption_counts_however_it_is_written():
    choice = choice_of(pools([CAT, DOG, ("a Cat",), DOG] * 2, [CAT]))
    assert choice.labels == ("A dog", "a cat")
    assert choice.of["train"][2] == "a cat"


def test_captions_with_fewer_than_four_pictures_each_ask_for_captions():
    assert choice_of(pools([CAT, DOG] * 3 + [CAT], [CAT])) is None


def test_a_caption_that_was_not_learnt_from_asks_for_captions():
    assert choice_of(pools([CAT, DOG] * 4, [("a fish",)])) is None


def test_one_caption_for_all_is_nothing_to_choose_from():
    assert choice_of(pools([CAT] * 8, [CAT])) is None


def test_where_each_caption_is_of_one_label_the_column_says_the_labels():
    train, labels = [CAT, ("a kitten",), DOG, DOG] * 3, ["feline", "feline", "canine", "canine"] * 3
    choice = choice_of(pools(train, [CAT, DOG], labels, ["feline", "canine"]))
    assert choice.labels == ("canine", "feline")
    assert choice.said == {"canine": ("A dog",), "feline": ("a cat", "a kitten")}
    assert choice.captions_differ


def test_a_column_that_cuts_across_captions_is_not_taken_unless_it_is_asked_for():
    train, labels = [CAT, CAT, DOG, DOG] * 2, ["2023", "2024"] * 4
    given = pools(train, [CAT], labels, ["2023"])
    assert choice_of(given).labels == ("A dog", "a cat")
    assert choice_of(given, "labels").labels == ("2023", "2024")


def test_captions_that_differ_ask_for_captions_whatever_the_column_says_unless_it_is_asked_for():
    train, labels = [(f"picture {n}",) for n in range(8)], ["cat", "dog"] * 4
    given = pools(train, [("picture 9",)], labels, ["cat"])
    assert choice_of(given) is None
    choice = choice_of(given, "labels")
    assert choice.labels == ("cat", "dog")
    assert choice.captions_differ


def test_captions_can_be_asked_for():
    assert choice_of(pools([CAT, DOG] * 4, [DOG]), "captions") is None


@pytest.mark.parametrize(("labels", "said"), [(None, "some pictures have none"), (["cat"] * 8, "all have 'cat'")])
def test_labels_that_are_not_there_are_refused(labels, said):
    with pytest.raises(ConfigError, match=said):
        choice_of(pools([CAT, DOG] * 4, [CAT], labels, labels and ["cat"]), "labels")


def test_captions_that_begin_alike_are_told_apart():
    choice = choice_of(pools([("a cat", "asleep"), ("a cat", "awake")] * 4, [("a cat", "awake")]))
    assert choice.labels == ("a cat | asleep", "a cat | awake")
    assert choice.said["a cat | awake"] == ("a cat", "awake")


def test_pictures_of_one_label_are_things_of_their_own():
    given = pools([CAT, DOG] * 4, [CAT, CAT])
    asked = choice_of(given).pool("pair", given["pair"])
    assert asked.concepts == asked.keys
    assert asked.labelled("class") == ("a cat", "a cat")
