"""Embeddings by batch are those of one at a time, of unit length, and leave the model in evaluation mode."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from components.contracts.batch import Images
from components.data.rows.lazy import LazyPictures
from components.data.transforms.preprocess import BadImage, Preprocess, to_float
from components.evaluation.embedding import BATCHES, Embedder
from components.evaluation.ranks import in_pieces
from components.models.towers.image import ImageTower
from components.models.towers.opening import attentive

ROUNDING = {"rtol": 0, "atol": 1e-5}  # unit rows; convolutions sum in another order for another number of rows


@pytest.fixture
def embedder(clip, vocabulary) -> Embedder:
    """A model that was in training, so that its batch norm would mix the rows of a batch."""
    return Embedder(clip.model.train(), vocabulary, Preprocess(size=32), batch=4)


def test_rows_have_unit_length_and_the_order_of_the_pictures(embedder, squares):
    rows = embedder.pictures(squares.pictures[:10])
    assert rows.shape == (10, 32)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embedder.pictures(squares.pictures[:10][::-1]), rows[::-1], **ROUNDING)


def test_pictures_by_batch_equal_one_at_a_time(embedder, squares):
    rows = embedder.pictures(squares.pictures[:10])
    single = np.concatenate([embedder.pictures([picture]) for picture in squares.pictures[:10]])
    np.testing.assert_allclose(rows, single, **ROUNDING)
    assert np.ptp(rows, axis=0).max() > 0.01  # they do differ


def test_texts_by_batch_equal_one_at_a_time(embedder, squares):
    texts = [name for (name,) in squares.captions[:10]] + ["", "red " * 50]
    rows = embedder.texts(texts)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(rows, np.concatenate([embedder.texts([text]) for text in texts]), **ROUNDING)


@torch.no_grad()
def test_texts_are_encoded_without_the_padding_and_come_out_as_with_it_in_their_order(embedder, squares):
    """More than are tokenized at once, of every length, none of which the end token may be cut from."""
    texts = [f"{name} {'and another ' * (place % 7)}" for place, (name,) in enumerate(squares.captions * 2)]
    assert len(texts) > BATCHES * embedder.batch
    model, widths = embedder.model.eval(), []
    whole = normalize(model.encode_text(embedder.vocabulary(texts)).pooled, dim=-1)
    hook = model.text.register_forward_pre_hook(lambda _, given: widths.append(given[0].ids.shape))
    np.testing.assert_allclose(embedder.texts(texts), whole.numpy(), **ROUNDING)
    hook.remove()
    assert sum(rows for rows, _ in widths) == len(texts)
    assert {longest for _, longest in widths} > {min(longest for _, longest in widths)}
    assert min(longest for _, longest in widths) < embedder.vocabulary.context


@torch.no_grad()
def test_a_picture_goes_through_transform_tower_and_projection(embedder, squares):
    (row,) = embedder.pictures(squares.pictures[3:4])
    pixels = torch.from_numpy(to_float(embedder.preprocess(squares.pictures[3])))[None]
    pooled = embedder.model.eval().encode_image(Images(pixels=pixels)).pooled
    np.testing.assert_allclose(row, normalize(pooled, dim=-1)[0].numpy(), **ROUNDING)


def test_what_is_shown_of_a_picture_can_be_handed_back(embedder, squares):
    shown = embedder.shown(squares.pictures[:6])
    assert (shown.shape, shown.dtype) == ((6, 3, 32, 32), np.uint8)
    np.testing.assert_allclose(embedder.of_shown(shown), embedder.pictures(squares.pictures[:6]), **ROUNDING)


@torch.no_grad()
def test_rows_of_both_spaces_keep_their_length(embedder, squares):
    rows = embedder.encoded(squares.pictures[:6], ["features", "pooled"])
    encoded = embedder.model.encode_image(Images(pixels=embedder.pixels(squares.pictures[:6])))
    np.testing.assert_allclose(rows["features"], encoded.features.numpy(), **ROUNDING)
    np.testing.assert_allclose(rows["pooled"], encoded.pooled.numpy(), **ROUNDING)
    assert rows["features"].dtype == np.float32
    lengths = np.linalg.norm(rows["pooled"], axis=1, keepdims=True)
    np.testing.assert_allclose(rows["pooled"] / lengths, embedder.pictures(squares.pictures[:6]), **ROUNDING)


def test_the_scale_is_the_models(embedder):
    assert embedder.logit_scale == pytest.approx(1 / 0.07)


def test_decoded_pictures_give_the_same_rows(embedder, squares):
    pixels = embedder.pixels(squares.pictures[:6])
    assert 0 <= pixels.min() <= pixels.max() <= 1
    np.testing.assert_allclose(embedder.pixels_embedded(pixels), embedder.pictures(squares.pictures[:6]), **ROUNDING)
    shown = torch.from_numpy(embedder.shown(squares.pictures[:6]))
    np.testing.assert_array_equal(embedder.pixels_embedded(shown), embedder.pixels_embedded(pixels))


def test_the_model_is_left_in_evaluation_mode_without_gradients(embedder, squares):
    assert embedder.model.training
    embedder.texts(["a red square"])
    assert not embedder.model.training
    embedder.model.train()
    embedder.pictures(squares.pictures[:1])
    assert not embedder.model.training
    assert all(parameter.grad is None for parameter in embedder.model.parameters())


def test_a_broken_picture_is_not_embedded(embedder, squares):
    with pytest.raises(BadImage):
        embedder.pictures([squares.pictures[0], b"no picture"])


def test_progress_says_what_is_done(embedder, squares):
    told = []
    embedder.pictures(
        squares.pictures[:10], lambda doing, done, total: told.append((doing, done, total)), "encoding val"
    )
    assert told == [("encoding val", done, 10) for done in (4, 8, 10)]


def test_patches_lie_in_the_grid_of_the_tower_and_windows_are_the_transforms(embedder, squares):
    patches = embedder.picture_tokens(squares.pictures[:2])
    rows, columns = embedder.grid()
    assert patches.shape[1] == rows * columns
    windows = embedder.windows(squares.pictures[:3])
    assert windows.tolist() == [list(embedder.preprocess.window(picture)) for picture in squares.pictures[:3]]


def test_the_tokens_of_a_word_are_those_of_its_letters_and_no_others(embedder):
    texts = ["a red square at the left", "red", "a RED square", "a blue square", "a pink square " * 9 + "red"]
    _, real = embedder.text_tokens(texts)
    named = embedder.named(texts, ["red"] * len(texts))
    assert named.shape == real.shape
    assert (named <= real).all()

    def said(row: int) -> str:
        encoded = embedder.vocabulary.tokenizer.encode(texts[row])
        return embedder.vocabulary.tokenizer.decode(
            [one for one, its in zip(encoded.ids, named[row], strict=True) if its]
        )

    assert [said(row).strip() for row in range(4)] == ["red", "red", "red", "a blue square"]
    assert not named[:, 0].any()  # the start
    assert named[4].sum() == real[4].sum() - 2  # cut off before it is said: all but start and end


@pytest.fixture
def two_threads() -> Iterator[None]:
    """torch may use two processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_batches_of_two_threads_are_those_of_one_to_the_bit(two_threads, embedder, squares):
    texts = [f"{name} {'and another ' * (place % 7)}" for place, (name,) in enumerate(squares.captions)]
    doing, threads = [], set()
    hooks = [
        part.register_forward_pre_hook(lambda *_: threads.add(threading.get_ident()))
        for part in (embedder.model.image, embedder.model.text)
    ]
    pictures = embedder.pictures(squares.pictures, lambda name, done, total: doing.append(done))
    both, (words, masks) = embedder.texts(texts), embedder.text_tokens(texts)
    assert len(threads - {threading.get_ident()}) > 1
    assert doing == [*range(4, len(squares.pictures), 4), len(squares.pictures)]
    threads.clear()
    torch.set_num_threads(1)
    np.testing.assert_array_equal(pictures, embedder.pictures(squares.pictures))
    np.testing.assert_array_equal(both, embedder.texts(texts))
    for ours, alone in zip((words, masks), embedder.text_tokens(texts), strict=True):
        np.testing.assert_array_equal(ours, alone)
    assert threads == {threading.get_ident()}
    for hook in hooks:
        hook.remove()


def test_pictures_that_lie_in_a_file_are_read_by_one_thread_at_a_time(two_threads, embedder, squares):
    class InAFile(LazyPictures):
        def __init__(self) -> None:
            self.readers = 0

        def __len__(self) -> int:
            return len(squares.pictures)

        def read(self, place: int) -> bytes:
            self.readers += 1
            time.sleep(0.001)  # another thread may run now
            assert self.readers == 1, "two read at once"
            self.readers -= 1
            return squares.pictures[place]

    np.testing.assert_array_equal(embedder.pictures(InAFile()), embedder.pictures(squares.pictures))


def test_attention_is_watched_in_one_thread_at_a_time(two_threads):
    """What is set so that a block shows its attention is the block's, whichever thread runs it."""
    tower = ImageTower("vit_tiny_patch16_224", {"img_size": 32}).eval()
    blocks = attentive(tower.net.blocks)
    pixels = torch.rand(16, 3, 32, 32)

    def seen(start: int) -> tuple[np.ndarray]:
        (attention,) = tower(Images(pixels=pixels[start : start + 1]), need=("attention3",)).hooks.values()
        return (attention.numpy(),)

    with torch.inference_mode():
        torch.set_num_threads(1)
        alone = [seen(start) for start in range(16)]
        torch.set_num_threads(2)
        for found, expected in zip(in_pieces(seen, range(16), 2), alone, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert all(block.attn.fused_attn for block in blocks.values())
