"""The steps of a race: labels that are as often as each other in them, as far as there are pictures of the rarer ones."""

import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest
import torch

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.rows.cache import RowCache
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.evaluation.embedding import Embedder
from components.stages.race_steps import batch_of, batches_of, most_of
from components.stages.recalled import Recall
from tests.subjects import part_of


@pytest.fixture
def embedder(clip, vocabulary):
    return Embedder(clip.model, vocabulary, Preprocess(size=32))


def of_labels(squares, *counts):
    """Return squares with labels in place of what they show, so many of each."""
    labels = [name for name, count in zip("abc", counts, strict=False) for _ in range(count)]
    return replace(part_of(squares, range(len(labels))), concepts=tuple(labels))


def shares(batches, pool, steps=60):
    seen = Counter(pool.concepts[row] for step in range(steps) for row in batches.order.at(step))
    return {label: count / steps for label, count in seen.items()}


def test_of_uneven_labels_a_step_has_as_many_of_each_where_there_are_enough(embedder, squares):
    pool = of_labels(squares, 40, 8)
    batches = batches_of(embedder, pool, 8, 0, silent, alike=True)
    assert batches.order.batch == 8
    found = shares(batches, pool)
    assert found["b"] / found["a"] == pytest.approx(1.0, abs=0.15), "a fifth by their pictures"


def test_of_a_rare_label_a_step_has_no_picture_twice_so_that_others_fill_it(embedder, squares):
    pool = of_labels(squares, 45, 5)
    batches = batches_of(embedder, pool, 20, 0, silent, alike=True)
    rows = [batches.order.at(step) for step in range(60)]
    assert {len(its) for its in rows} == {len(set(its)) for its in rows} == {20}
    found = shares(batches, pool)
    assert 4.5 < found["b"] <= 5, "all there are, of 20"


def test_a_step_of_more_pairs_than_pictures_has_each_once(embedder, squares):
    pool = of_labels(squares, 9, 1)
    batches = batches_of(embedder, pool, 64, 0, silent, alike=True)
    assert batches.order.batch == 10
    assert shares(batches, pool) == {"a": 9.0, "b": 1.0}


def test_without_labels_a_step_has_each_caption_once_and_one_caption_is_refused(embedder, squares):
    pool = of_labels(squares, 20, 20, 10)
    assert batch_of(pool, 64) == batches_of(embedder, pool, 64, 0, silent).order.batch == 3
    with pytest.raises(ConfigError, match="all 50 pictures to learn from have one caption"):
        batches_of(embedder, of_labels(squares, 50), 8, 0, silent)


def test_what_is_replayed_goes_through_the_views_that_it_is_told_and_one_s_own_do_not(embedder, squares):
    own, general = part_of(squares, range(30)), part_of(squares, range(30, 50))
    views = {"degrees": 0, "shift": 0.0, "zoom": [1.0, 1.0], "colour": 0.0, "grey": 1.0, "background": 0.0}
    recall = Recall(pool=general, share=0.5, views=views)
    batches = batches_of(embedder, own, 16, 0, silent, recall=recall, alike=True)
    grey, coloured = set(), set()
    for step in range(6):
        made = batches[step]
        pixels = made.images["main"].pixels
        is_grey = (pixels.amax(1) - pixels.amin(1)).amax((1, 2)) < 1e-6
        for key, of in zip(made.keys, is_grey.tolist(), strict=True):
            (grey if of else coloured).add(key.startswith("general/"))
    assert (grey, coloured) == ({True}, {False})
    plain = batches_of(embedder, own, 16, 0, silent, recall=replace(recall, views=None), alike=True)
    assert type(plain.views) is Views


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_decoded_pictures_that_are_many_lie_on_disk_and_batches_are_those_of_memory(embedder, squares, tmp_path, share):
    own, general = part_of(squares, range(30)), part_of(squares, range(30, 50))
    many = replace(embedder.preprocess, size=576)
    wide = Embedder(embedder.model, embedder.vocabulary, many)
    recall = Recall(pool=general, share=share) if share else None
    held = batches_of(wide, own, 12, 0, silent, recall=recall)
    rows_bytes = held.pairs.pictures.numel()
    cache = RowCache(folder=tmp_path, held_bytes=rows_bytes - 1)
    tracemalloc.start()
    try:
        kept = batches_of(wide, own, 12, 0, silent, recall=recall, cache=cache)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < rows_bytes, "of NumPy's arrays and of Python's objects"
    assert [path.stat().st_size for path in tmp_path.glob("*.rows")] == [rows_bytes]
    for step in range(3):
        one, other = held[step], kept[step]
        assert one.keys == other.keys
        assert torch.equal(one.images["main"].pixels, other.images["main"].pixels)
        assert torch.equal(one.texts["caption"].ids, other.texts["caption"].ids)


def test_decoded_pictures_that_are_few_stay_in_memory(embedder, squares, tmp_path):
    held = batches_of(embedder, squares, 12, 0, silent)
    cache = RowCache(folder=tmp_path, held_bytes=held.pairs.pictures.numel())
    assert torch.equal(batches_of(embedder, squares, 12, 0, silent, cache=cache).pairs.pictures, held.pairs.pictures)
    assert list(tmp_path.iterdir()) == []


def test_the_longest_heat_takes_all_pictures_thirty_times_unless_steps_are_named():
    assert (most_of(100, 64), most_of(1, 64), most_of(100, 64, 7)) == (46, 1, 7)
