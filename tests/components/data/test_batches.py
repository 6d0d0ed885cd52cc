"""A step is a function of (seed, step); what a batch says belongs to what it shows."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contracts.batch import Batch
from components.contracts.errors import DataError
from components.contracts.progress import silent
from components.contracts.text_noise import TextNoise
from components.contracts.text_pick import TextPick
from components.data.batches import StepBatches
from components.data.rows.decoded import decode_pairs
from components.data.rows.pairs import Pairs
from components.data.samplers.distinct import DistinctBatches, fitting
from components.data.share import Share
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.several import Several
from components.data.transforms.views import Views

PIXELS = 16


@pytest.fixture(scope="module")
def pairs(squares) -> Pairs:
    """The squares, each with a second caption of its own."""
    decoded = decode_pairs(squares, Preprocess(size=20), silent)
    both = tuple((name, f"{name}, number {row}") for row, (name,) in enumerate(decoded.captions))
    return Pairs(keys=decoded.keys, pictures=decoded.pictures, captions=both, concepts=decoded.concepts)


def made(
    pairs: Pairs, vocabulary: Vocabulary, batch: int = 8, seed: int = 3, share: Share | None = None
) -> StepBatches:
    """Batches of distinct concepts, with every kind of view."""
    order = DistinctBatches(pairs.concepts, fitting(batch, pairs.concepts), seed)
    return StepBatches(pairs, vocabulary, Views(pixels=PIXELS, erase=0.3), order, seed=seed, share=share)


@pytest.fixture(scope="module")
def batches(pairs, vocabulary) -> StepBatches:
    return made(pairs, vocabulary)


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are equal to the bit."""
    pixels = torch.equal(one.images["main"].pixels, other.images["main"].pixels)
    texts = [(side.texts["caption"].ids.tolist(), side.texts["caption"].mask.tolist()) for side in (one, other)]
    return (
        one.keys == other.keys
        and pixels
        and texts[0] == texts[1]
        and torch.equal(*(s.ids["concept"] for s in (one, other)))
    )


@given(step=st.integers(0, 2000))
@settings(max_examples=25)
def test_a_step_is_a_function_of_seed_and_step(pairs, vocabulary, batches, step):
    fresh = made(pairs, vocabulary)
    torch.rand(5)  # whatever else draws in the process
    assert same(fresh[step], batches[step])


def test_other_seeds_and_other_epochs_give_other_batches(pairs, vocabulary, batches):
    other = made(pairs, vocabulary, seed=4)
    assert not same(other[0], batches[0])
    assert not same(batches[0], batches[batches.order.steps_per_epoch])


@given(step=st.integers(0, 500))
@settings(max_examples=25)
def test_rows_of_a_batch_belong_together(pairs, vocabulary, batches, step):
    batch = batches[step]
    texts = batch.texts["caption"]
    assert len(batch) == len(set(batch.keys)) == len(set(batch.ids["concept"].tolist())) == 8
    assert batch.images["main"].pixels.shape == (8, 3, PIXELS, PIXELS)
    names = sorted(set(pairs.concepts))
    for row, key in enumerate(batch.keys):
        place = pairs.keys.index(key)
        assert names[batch.ids["concept"][row]] == pairs.concepts[place]
        said = texts.ids[row][texts.mask[row]].tolist()
        assert said in [
            part.ids[part.mask].tolist() for part in map(vocabulary, ([text] for text in pairs.captions[place]))
        ]


def test_texts_are_no_wider_than_the_longest_and_lose_nothing(batches):
    for step in range(10):
        mask = batches[step].texts["caption"].mask
        assert mask[:, -1].any()
        assert mask[:, 0].all()


def test_each_caption_of_a_sample_gets_its_turn(pairs, batches):
    said = {pairs.keys[0]: set()}
    for step in range(200):
        batch = batches[step]
        if pairs.keys[0] in batch.keys:
            row = batch.keys.index(pairs.keys[0])
            said[pairs.keys[0]].add(int(batch.texts["caption"].mask[row].sum()))
    assert len(said[pairs.keys[0]]) == 2


def test_the_same_pictures_look_different_at_every_step(pairs, vocabulary):
    two = Pairs(
        keys=pairs.keys[:3:2], pictures=pairs.pictures[:3:2], captions=pairs.captions[:3:2], concepts=("a", "b")
    )
    batches = made(two, vocabulary, batch=2)
    seen = [batches[step].images["main"].pixels[batches[step].keys.index(two.keys[0])] for step in range(12)]
    assert len({tuple(view.flatten().tolist()) for view in seen}) == 12


@given(world=st.sampled_from([1, 2, 4, 8]), step=st.integers(0, 500))
@settings(max_examples=25)
def test_what_the_ranks_make_is_the_batch_cut_in_parts_to_the_bit(pairs, vocabulary, batches, world, step):
    whole = batches[step]
    parts = [made(pairs, vocabulary, share=Share(rank=rank, world=world))[step] for rank in range(world)]
    assert tuple(key for part in parts for key in part.keys) == whole.keys
    assert torch.equal(torch.cat([part.images["main"].pixels for part in parts]), whole.images["main"].pixels)
    for name in ("ids", "mask"):
        of_parts = torch.cat([getattr(part.texts["caption"], name) for part in parts])
        assert torch.equal(of_parts, getattr(whole.texts["caption"], name))
    assert torch.equal(torch.cat([part.ids["concept"] for part in parts]), whole.ids["concept"])


@given(worlds=st.lists(st.sampled_from([1, 2, 4, 8]), min_size=6, max_size=6), seed=st.integers(0, 9))
@settings(max_examples=15)
def test_ranks_that_come_and_go_within_an_epoch_neither_repeat_nor_drop_a_sample(pairs, vocabulary, worlds, seed):
    """A world of another size at every step; eight concepts have six pictures each, so an epoch shows all."""
    two = Pairs(
        keys=pairs.keys[:48], pictures=pairs.pictures[:48], captions=pairs.captions[:48],
        concepts=tuple(str(row % 8) for row in range(48)),
    )  # fmt: skip
    shared = [[made(two, vocabulary, seed=seed, share=Share(rank=r, world=w)) for r in range(w)] for w in (1, 2, 4, 8)]
    seen = [
        key for step, world in enumerate(worlds) for one in shared[(1, 2, 4, 8).index(world)] for key in one[step].keys
    ]
    assert sorted(seen) == sorted(two.keys)


def test_a_batch_larger_than_the_concepts_has_one_row_of_each(pairs, vocabulary):
    few = made(pairs, vocabulary, batch=256)
    assert few.order.batch == len(few[0]) == len(set(few[0].ids["concept"].tolist())) == 25


NAMED, COUNTED = "short", "long"
TEXTS = {"caption": TextPick(kinds=(NAMED,)), "other": TextPick(kinds=(COUNTED,), count=3)}


@pytest.fixture(scope="module")
def of_kinds(pairs) -> Pairs:
    """The same, each caption of a kind; the first sample has no second one."""
    captions = (pairs.captions[0][:1], *pairs.captions[1:])
    return replace(pairs, captions=captions, kinds=tuple((NAMED, COUNTED)[: len(own)] for own in captions))


def told(pairs: Pairs, vocabulary: Vocabulary, share: Share | None = None) -> StepBatches:
    order = DistinctBatches(pairs.concepts, 8, 3)
    return StepBatches(pairs, vocabulary, Views(pixels=PIXELS), order, seed=3, share=share, texts=TEXTS)


def test_a_name_has_texts_of_its_kinds_so_many_of_each_sample(of_kinds, vocabulary):
    batches, lent = told(of_kinds, vocabulary), 0
    for step in range(12):
        batch = batches[step]
        other, caption = batch.texts["other"], batch.texts["caption"]
        assert caption.owner is None
        assert other.owner.tolist() == [row for row in range(8) for _ in range(3)]
        for row, key in enumerate(batch.keys):
            own = of_kinds.captions[of_kinds.keys.index(key)]
            wanted = vocabulary([own[-1]])
            for at in range(3 * row, 3 * row + 3):
                assert other.ids[at][other.mask[at]].tolist() == wanted.ids[wanted.mask].tolist()
            assert batch.ids["other_given"][row] == len(own) - 1
            lent += len(own) == 1
        assert batch.ids["caption_given"].all()
    assert lent


def test_several_texts_of_a_sample_are_cut_over_ranks_as_the_batch_is(of_kinds, vocabulary):
    whole = told(of_kinds, vocabulary)[5]
    parts = [told(of_kinds, vocabulary, Share(rank=rank, world=2))[5] for rank in range(2)]
    assert torch.equal(torch.cat([part.texts["other"].ids for part in parts]), whole.texts["other"].ids)
    assert all(part.texts["other"].owner.tolist() == [row for row in range(4) for _ in range(3)] for part in parts)
    assert torch.equal(torch.cat([part.ids["other_given"] for part in parts]), whole.ids["other_given"])


def test_further_texts_change_neither_captions_nor_views(pairs, vocabulary):
    order, views = DistinctBatches(pairs.concepts, 8, 3), Views(pixels=PIXELS, erase=0.3)
    more = StepBatches(
        pairs, vocabulary, views, order, seed=3, texts={"caption": TextPick(), "other": TextPick(count=2)}
    )
    assert same(more[4], made(pairs, vocabulary)[4])


def test_kinds_that_are_nowhere_are_refused_before_any_batch(pairs, vocabulary):
    with pytest.raises(DataError, match=r"training\.texts\.caption asks for captions of the kinds short"):
        told(pairs, vocabulary)


STRONG = Several(views=Views(pixels=PIXELS, crop=(0.3, 0.8), blur=0.5, flip=0.5, solarise=0.2), count=2)
NOISED = TextNoise(stop_words=0.5, synonym=0.4, swap=0.4, delete=0.2)
MANY = {
    "caption": TextPick(),
    "strong": TextPick(of="caption", count=3, noise=NOISED),
    "again": TextPick(of="caption", count=2),
}


def several(pairs: Pairs, vocabulary: Vocabulary, share: Share | None = None) -> StepBatches:
    """Batches of a plain view and two strong ones, a plain text, three noised ones of it, and it again twice."""
    order, views = DistinctBatches(pairs.concepts, 8, 3), Views(pixels=PIXELS, erase=0.3)
    return StepBatches(
        pairs,
        vocabulary,
        views,
        order,
        seed=3,
        share=share,
        texts=MANY,
        more={"strong": STRONG, "one": Several(views=views)},
    )


def rows_of(batch: Batch) -> list[list[int]]:
    return [ids[mask].tolist() for ids, mask in zip(batch.texts["strong"].ids, batch.texts["strong"].mask, strict=True)]


def test_further_views_and_noised_texts_change_nothing_of_the_plain_ones(pairs, vocabulary):
    assert same(several(pairs, vocabulary)[4], made(pairs, vocabulary)[4])


def test_a_batch_has_several_views_of_each_picture_and_says_whose_they_are(pairs, vocabulary):
    batches = several(pairs, vocabulary)
    batch, strong = batches[4], batches[4].images["strong"]
    assert strong.pixels.shape == (16, 3, PIXELS, PIXELS)
    assert strong.owner.tolist() == [row for row in range(8) for _ in range(2)]
    assert len({tuple(view.flatten().tolist()) for view in strong.pixels}) == 16
    assert batch.images["one"].owner is None
    unseen = batches.unseen(4)
    for row in (0, 7):  # each is a view of its own picture
        alone = STRONG.views.show(
            unseen.pictures[[row, row]], unseen.more["strong"].drawn.part(slice(2 * row, 2 * row + 2))
        )
        torch.testing.assert_close(strong.pixels[2 * row : 2 * row + 2], alone)


def test_several_views_and_texts_are_functions_of_seed_and_step(pairs, vocabulary):
    one, other = several(pairs, vocabulary), several(pairs, vocabulary)
    other[3]
    for name in ("strong", "one"):
        assert torch.equal(one[7].images[name].pixels, other[7].images[name].pixels)
    assert rows_of(one[7]) == rows_of(other[7])
    assert not torch.equal(one[7].images["strong"].pixels, one[8].images["strong"].pixels)


def test_noised_texts_are_of_the_caption_that_the_step_has(pairs, vocabulary):
    batches, changed = several(pairs, vocabulary), 0
    for step in range(6):
        batch = batches[step]
        caption = batch.texts["caption"]
        whole = [ids[mask].tolist() for ids, mask in zip(caption.ids, caption.mask, strict=True)]
        again = batch.texts["again"]
        assert torch.equal(again.ids, caption.ids.repeat_interleave(2, 0))
        for place, text in enumerate(rows_of(batch)):
            own = whole[place // 3]
            assert (text[0], text[-1]) == (own[0], own[-1])  # start and end
            assert len(text) > 2  # and a word between them
            changed += text != own
    assert changed > 100  # of 144
    mask = batch.texts["strong"].mask
    assert mask[:, -1].any()
    assert not batch.texts["strong"].ids[~mask].any()


def test_ranks_have_parts_of_several_views_and_texts(pairs, vocabulary):
    whole = several(pairs, vocabulary)[5]
    parts = [several(pairs, vocabulary, Share(rank=rank, world=2))[5] for rank in range(2)]
    for name in ("strong", "one"):
        assert torch.equal(torch.cat([part.images[name].pixels for part in parts]), whole.images[name].pixels)
    assert torch.equal(torch.cat([part.texts["strong"].ids for part in parts]), whole.texts["strong"].ids)
    assert all(part.images["strong"].owner.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] for part in parts)
