"""Decoded once, by any number of processes, to the pixels the transform gives; and what cannot be decoded is named."""

import hashlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from components.contracts.errors import DataError, TransientError, is_transient
from components.contracts.progress import silent
from components.data.manifest import read_manifest
from components.data.rows import decoded
from components.data.rows.cache import RowCache
from components.data.rows.decoded import PART, as_tensor, decode, decode_pairs, name_of
from components.data.selection import Pool, of_split, read_pool
from components.data.transforms.preprocess import Preprocess, on_background
from components.data.transforms.preprocess import decode as decode_bytes
from tests.squares import png

SIZE = Preprocess(size=24)
MANY = 8 * PART + 11  # enough for processes to be started, and no whole number of parts


@pytest.fixture
def cache(tmp_path) -> RowCache:
    return RowCache(folder=tmp_path)


@pytest.fixture(scope="module")
def many(squares) -> Pool:
    """The squares over and over, each under a key of its own."""
    places = [place % len(squares) for place in range(MANY)]
    return Pool(
        keys=tuple(f"s{number}" for number in range(MANY)),
        pictures=tuple(squares.pictures[place] for place in places),
        captions=tuple(squares.captions[place] for place in places),
        concepts=tuple(squares.concepts[place] for place in places),
        sources=tuple(squares.sources[place] for place in places),
    )


def test_pictures_are_decoded_once_with_their_transparency(squares):
    told = []
    pairs = decode_pairs(squares, SIZE, lambda doing, done, total: told.append((doing, done, total)))
    assert pairs.pictures.shape == (50, 4, 24, 24)
    assert pairs.pictures.dtype == torch.uint8
    assert set(pairs.pictures[:, 3].unique().tolist()) >= {0, 255}
    assert told[-1] == ("decoding", 50, 50)
    assert len(told) == 50
    by_hand = SIZE.fit(decode_bytes(squares.pictures[7]))
    assert np.array_equal(pairs.pictures[7].numpy(), by_hand)
    assert (pairs.keys, pairs.captions, pairs.concepts) == (squares.keys, squares.captions, squares.concepts)


@pytest.fixture
def photographs(squares) -> Pool:
    """The squares as JPEGs, which know no transparency."""
    encoded = []
    for data in squares.pictures:
        encoded.append(png(on_background(decode_bytes(data), (255, 255, 255)), "JPEG", quality=95))
    return replace(squares, pictures=tuple(encoded), sha256s=())


def test_pictures_that_cannot_be_transparent_are_kept_without_it(photographs):
    pairs = decode_pairs(photographs, SIZE, silent)
    assert pairs.pictures.shape == (50, 3, 24, 24)
    assert np.array_equal(pairs.pictures.numpy(), decode(photographs, SIZE, 4, silent)[:, :3])


@pytest.mark.parametrize("trim", [False, True])
def test_one_that_can_be_transparent_has_all_kept_with_it_and_so_do_trimmed_ones(photographs, squares, trim):
    pictures = photographs.pictures if trim else (*photographs.pictures[:-1], squares.pictures[-1])
    pairs = decode_pairs(replace(photographs, pictures=pictures), replace(SIZE, trim=trim), silent)
    assert pairs.pictures.shape[1] == 4


def test_three_channels_are_what_the_server_makes_of_the_bytes(squares):
    rows = decode(squares, SIZE, 3, silent)
    assert np.array_equal(rows, np.stack([SIZE(data) for data in squares.pictures]))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_cache_holds_the_same_rows_whatever_the_number_of_processes(many, cache, processes):
    told = []
    rows = decode(many, SIZE, 4, lambda doing, done, total: told.append((doing, done, total)), cache, processes)
    assert isinstance(rows, np.memmap)
    assert np.array_equal(rows, decode(many, SIZE, 4, silent))
    assert told[-1] == ("decoding", MANY, MANY)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_a_second_training_on_the_same_pictures_decodes_nothing(squares, cache):
    first = decode_pairs(squares, SIZE, silent, cache)
    told = []
    again = decode_pairs(squares, SIZE, lambda doing, done, total: told.append(doing), cache)
    assert set(told) == {"checking decoded pictures"}
    assert torch.equal(first.pictures, again.pictures)


def test_a_manifests_pictures_are_not_even_read_again(own_raw, cache):
    pool = read_pool(of_split(read_manifest(own_raw / "manifest.parquet"), "train"), own_raw)
    first = decode_pairs(pool, SIZE, silent, cache)
    for shard in own_raw.rglob("*.tar"):
        shard.unlink()
    assert torch.equal(decode_pairs(pool, SIZE, silent, cache).pictures, first.pictures)


@pytest.mark.parametrize(
    "change",
    {
        "size": lambda pool: (pool, Preprocess(size=25), 4),
        "trim": lambda pool: (pool, Preprocess(size=24, trim=True), 4),
        "background": lambda pool: (pool, Preprocess(size=24, background=(0, 0, 0)), 4),
        "channels": lambda pool: (pool, SIZE, 3),
        "order": lambda pool: (replace(pool, pictures=pool.pictures[::-1]), SIZE, 4),
        "one less": lambda pool: (replace(pool, pictures=pool.pictures[:-1]), SIZE, 4),
    }.items(),
    ids=lambda item: item[0],
)
def test_other_pictures_and_other_transforms_have_caches_of_their_own(squares, change):
    assert name_of(*change[1](squares)) != name_of(squares, SIZE, 4)


def test_a_cache_made_by_other_code_of_the_transform_is_not_used(squares, monkeypatch, tmp_path):
    before = name_of(squares, SIZE, 4)
    edited = tmp_path / "preprocess.py"
    edited.write_text(Path(decoded.code_of_pixels.__file__).read_text() + "\n")
    monkeypatch.setattr(decoded.code_of_pixels, "__file__", str(edited))
    assert name_of(squares, SIZE, 4) != before


def test_digests_that_are_known_name_the_cache_that_the_bytes_would(squares):
    digests = tuple(hashlib.sha256(data).hexdigest() for data in squares.pictures)
    assert name_of(replace(squares, sha256s=digests, pictures=()), SIZE, 4) == name_of(squares, SIZE, 4)


@pytest.mark.parametrize("cached", [False, True])
def test_a_broken_picture_names_its_sample(squares, tmp_path, cached):
    broken = replace(squares, pictures=(squares.pictures[0], b"GIF89a", *squares.pictures[2:]))
    with pytest.raises(DataError, match=r"sample square-01 cannot be trained on.*Validate the data again"):
        decode_pairs(broken, SIZE, silent, RowCache(folder=tmp_path) if cached else None)
    assert list(tmp_path.iterdir()) == []


def test_of_several_broken_pictures_the_first_is_named_by_any_number_of_processes(many, cache):
    pictures = list(many.pictures)
    for place in (70, 130, 400):
        pictures[place] = pictures[place][:60]
    with pytest.raises(DataError, match="sample s70 cannot be trained on"):
        decode(replace(many, pictures=tuple(pictures)), SIZE, 4, silent, cache, processes=2)
    assert list(cache.folder.iterdir()) == []


class Deadly(tuple):
    """Pictures of which one kills the process that reads it, as the system does when memory runs out."""

    __slots__ = ()

    def __getitem__(self, place):
        if place == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(place)


def test_a_process_that_is_killed_is_an_error_and_leaves_nothing(many, cache):
    deadly = replace(many, pictures=Deadly(many.pictures), sha256s=("00" * 32,) * len(many))
    with pytest.raises(TransientError, match="was it killed, or memory short") as err:
        decode(deadly, SIZE, 4, silent, cache, processes=2)
    assert is_transient(err.value)
    assert list(cache.folder.iterdir()) == []


def test_a_tensor_shares_the_memory_of_its_rows(squares, cache):
    rows = decode(squares, SIZE, 4, silent, cache)
    assert as_tensor(rows).data_ptr() == rows.ctypes.data
