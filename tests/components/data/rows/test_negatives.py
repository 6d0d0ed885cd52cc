"""Texts that do not fit stand beside their own pictures alone, and change nothing else of a step."""

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.contracts.text_pick import TextPick, check_texts
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.rows.negatives import Negatives
from components.data.samplers.distinct import DistinctBatches
from components.data.share import Share
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views

SAID = {"b": ("a red square", "blue"), "d": ("green circle",), "elsewhere": ("nothing",)}


def read(vocabulary, texts):
    return [row[kept].tolist() for row, kept in zip(texts.ids, texts.mask, strict=True)]


def test_each_text_is_owned_by_the_row_of_its_picture(vocabulary):
    negatives = Negatives.of(vocabulary, ("a", "b", "c", "d"), SAID)
    assert len(negatives) == 3  # of elsewhere nothing is kept
    texts = negatives.of_part(torch.tensor([3, 0, 1]), slice(0, 3))["negative"]
    assert texts.owner.tolist() == [0, 2, 2]
    assert read(vocabulary, texts) == read(vocabulary, vocabulary(["green circle", "a red square", "blue"]))
    assert texts.mask.any(0).all()  # no wider than the longest
    assert negatives.of_part(torch.tensor([0, 2]), slice(0, 2)) == {}
    assert Negatives.of(vocabulary, ("a", "c"), SAID).of_part(torch.tensor([0, 1]), slice(0, 2)) == {}


def test_every_part_of_a_batch_has_as_many_and_what_fills_one_up_is_of_no_sample(vocabulary):
    negatives, rows = Negatives.of(vocabulary, ("a", "b", "c", "d"), SAID), torch.tensor([3, 0, 1, 2, 2, 0])
    owners = [negatives.of_part(rows, slice(at, at + 2))["negative"].owner.tolist() for at in (0, 2, 4)]
    assert owners == [[0, 6], [0, 0], [6, 6]]


@pytest.fixture(scope="module")
def pairs(squares):
    return decode_pairs(squares, Preprocess(size=20), silent)


@pytest.fixture
def batches(pairs, vocabulary):
    def made(**more):
        return StepBatches(pairs, vocabulary, Views(pixels=16), DistinctBatches(pairs.concepts, 8, 3), seed=3, **more)

    return made


def test_a_step_reads_them_and_is_the_same_step_otherwise(pairs, batches):
    disliked = {key: (f"no {at}", "nothing of it") for at, key in enumerate(pairs.keys) if at % 3 == 0}
    seen = 0
    for step in range(4):
        plain, told = batches()[step], batches(negatives=disliked)[step]
        owners = [row for row, key in enumerate(told.keys) for _ in disliked.get(key, ())]
        if owners:
            assert told.texts["negative"].owner.tolist() == owners
        assert told.keys == plain.keys
        assert "negative" not in plain.texts
        assert torch.equal(told.images["main"].pixels, plain.images["main"].pixels)
        assert torch.equal(told.texts["caption"].ids, plain.texts["caption"].ids)
        seen += len(owners)
    assert seen >= 2


def test_each_rank_has_those_of_its_own_pictures(pairs, batches):
    disliked = {key: (f"no {at}",) for at, key in enumerate(pairs.keys)}
    whole = batches(negatives=disliked)[0]
    parts = [batches(negatives=disliked, share=Share(rank=rank, world=2))[0] for rank in (0, 1)]
    assert [part.texts["negative"].owner.tolist() for part in parts] == [list(range(4))] * 2
    ids = [row for part in parts for row in read(None, part.texts["negative"])]
    assert ids == read(None, whole.texts["negative"])


def test_their_name_is_nobody_elses():
    with pytest.raises(ConfigError, match=r"training\.negatives brings them"):
        check_texts({"caption": TextPick(), "negative": TextPick()})
