"""Pictures shown on the device: the same views, and nothing that the device would have to be waited for."""

import pytest
import torch

from components.contracts.progress import silent
from components.contracts.text_noise import TextNoise
from components.contracts.text_pick import TextPick
from components.data.batches import StepBatches, Unseen
from components.data.loader import loader
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.share import Share
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.several import Several
from components.data.transforms.views import Views


@pytest.fixture(scope="module")
def batches(squares, vocabulary) -> StepBatches:
    """Batches with every kind of view."""
    pairs = decode_pairs(squares, Preprocess(size=20), silent)
    views = Views(pixels=16, erase=0.5, grey=0.5, background=0.5, sketched=0.3, outlined=0.3)
    strong = Several(views=Views(pixels=16, crop=(0.3, 0.8), blur=0.5, flip=0.5, solarise=0.5), count=2)
    texts = {
        "caption": TextPick(),
        "noised": TextPick(of="caption", count=2, noise=TextNoise(stop_words=0.5, swap=1.0)),
    }
    order = DistinctBatches(pairs.concepts, 8, seed=3)
    return StepBatches(pairs, vocabulary, views, order, seed=3, texts=texts, more={"strong": strong})


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_shown_late_is_what_is_shown_at_once_to_the_bit(batches, workers):
    late = batches.made_for(Share(rank=1, world=2), late=True)
    soon = batches.made_for(Share(rank=1, world=2), late=False)
    for unseen, step in zip(loader(late, 4, 10, workers=workers), range(4, 10), strict=True):
        assert isinstance(unseen, Unseen)
        seen, wanted = unseen.seen(), soon[step]
        assert len(unseen) == len(seen) == 4
        assert seen.keys == wanted.keys == batches[step].keys[4:]
        for view in ("main", "strong"):
            assert torch.equal(seen.images[view].pixels, wanted.images[view].pixels)
        for text in ("caption", "noised"):
            assert torch.equal(seen.texts[text].ids, wanted.texts[text].ids)


def test_late_pictures_move_as_bytes_which_are_fewer(batches):
    unseen, seen = batches.made_for(Share(), late=True)[0], batches[0]
    assert unseen.pictures.dtype == torch.uint8
    assert unseen.pictures.nbytes < seen.images["main"].pixels.nbytes


def test_everything_moves_and_no_number_is_read_back_from_the_device(batches):
    """The device `meta` has no numbers: whatever asks for one, or mixes in a tensor of the CPU, raises there."""
    unseen = batches.made_for(Share(), late=True)[0].to("meta", non_blocking=True)
    assert unseen.pictures.device.type == unseen.drawn.angle.device.type == "meta"
    seen = unseen.seen()
    pixels, strong = seen.images["main"].pixels, seen.images["strong"]
    assert {one.device.type for one in (pixels, strong.pixels, strong.owner)} == {"meta"}
    assert (pixels.shape, strong.pixels.shape) == ((8, 3, 16, 16), (16, 3, 16, 16))
    with pytest.raises((RuntimeError, NotImplementedError)):
        bool(pixels.sum() > 0)  # so it would


def test_no_table_is_carried_to_the_device_while_pictures_are_shown(batches, monkeypatch):
    """A tensor made of Python's numbers is made on the CPU and sent, which is waited for."""
    unseen = batches.made_for(Share(), late=True)[0]
    monkeypatch.setattr(torch, "tensor", None)
    monkeypatch.setattr(torch, "as_tensor", None)
    assert unseen.seen().images["main"].pixels.isfinite().all()


def test_what_was_made_for_a_rank_leaves_the_whole_as_it_was(batches):
    before = batches[3].keys
    batches.made_for(Share(rank=0, world=4), late=True)
    assert batches[3].keys == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_gpu_shows_the_same_pictures_and_is_not_waited_for(batches):
    unseen = batches.made_for(Share(), late=True)[0].pin_memory()
    assert unseen.pictures.is_pinned()
    moved = unseen.to("cuda", non_blocking=True)
    moved.seen()  # loads what is loaded at first use
    torch.cuda.set_sync_debug_mode("error")
    try:
        pixels = moved.seen().images["main"].pixels
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(pixels.cpu(), unseen.seen().images["main"].pixels, rtol=0, atol=2e-3)
