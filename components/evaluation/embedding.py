"""Embeddings of pictures and texts, by the very transform and tokenizer that travel with the weights.

Where ranks share out the work (ranks.py), each encodes a batch in turn, and all have all rows.

Axes: N rows, D shared width.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Lock
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.flop_counter import FlopCounterMode

from components.contracts.batch import Images, Texts
from components.contracts.encoded import TOKENS, Encoded
from components.contracts.evaluator import Counted, Space
from components.contracts.progress import Progress, silent
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess, to_float
from components.evaluation.ranks import Arrays, in_pieces
from components.models.dual_encoder import DualEncoder

BATCHES = 16  # of texts that are tokenized, and sorted by length, at once
ON_CPU = 32  # rows that are encoded at once on a CPU at most: of more, what is between layers leaves its caches, and the padding of texts grows


class Embedder:
    """A model in evaluation mode with what it needs to read bytes and words.

    Args:
        model: the two towers.
        vocabulary: its tokenizer.
        preprocess: its transform.
        batch: rows encoded at once, of which a CPU takes fewer.
    """

    def __init__(self, model: DualEncoder, vocabulary: Vocabulary, preprocess: Preprocess, batch: int = 256) -> None:
        self.model, self.vocabulary, self.preprocess, self.batch = model, vocabulary, preprocess, batch

    def pixels(self, pictures: Iterable[bytes]) -> Float[Tensor, "N 3 H W"]:
        """Return what the image tower takes, in [0, 1]."""
        return torch.from_numpy(to_float(self.shown(pictures)))

    def shown(self, pictures: Iterable[bytes]) -> UInt8[np.ndarray, "N 3 H W"]:
        """Return what the transform leaves of each."""
        return np.stack([self.preprocess(data) for data in pictures])

    def of_shown(self, pixels: UInt8[np.ndarray, "N 3 H W"]) -> Float[np.ndarray, "N D"]:
        """Return unit rows, float32, of pixels as `shown` gives them."""

        def piece(start: int) -> Arrays:
            return (self.pixels_embedded(torch.from_numpy(pixels[start : start + self.step])),)

        return np.concatenate([rows for (rows,) in self._in_pieces(piece, range(0, len(pixels), self.step))])

    @property
    def device(self) -> torch.device:
        """Where the model is: on the GPU while it is watched in training."""
        return next(self.model.parameters()).device

    @property
    def step(self) -> int:
        """Rows encoded at once where the model is."""
        return min(self.batch, ON_CPU) if self.device.type == "cpu" else self.batch

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with before a softmax, as it was learned."""
        return float(self.model.logit_scale().item())

    @torch.inference_mode()
    def pictures(
        self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = ""
    ) -> Float[np.ndarray, "N D"]:
        """Return unit rows, float32."""
        (rows,) = self._batches(lambda pixels: (self.pixels_embedded(pixels),), pictures, progress, doing)
        return rows

    def _batches(
        self, work: Callable[[Tensor], Arrays], pictures: Sequence[bytes], progress: Progress, doing: str
    ) -> Arrays:
        """Return what `work` gives of the pixels of each batch, each of its arrays as one."""
        one_reads = Lock()  # pictures may be read from an open file, in which each seeks its place

        def piece(start: int) -> Arrays:
            with one_reads:
                its = pictures[start : start + self.step]
            return work(self.pixels(its))

        def after(start: int) -> None:
            progress(doing or "encoding pictures", min(start + self.step, len(pictures)), len(pictures))

        found = self._in_pieces(piece, range(0, len(pictures), self.step), after)
        return tuple(map(np.concatenate, zip(*found, strict=True)))

    def _in_pieces(
        self, piece: Callable[[int], Arrays], starts: Sequence[int], after: Callable[[int], None] = lambda start: None
    ) -> list[Arrays]:
        """Return what each piece gives: on a CPU as many at once as it has cores, on a GPU one after another, which fills it."""
        return in_pieces(piece, starts, torch.get_num_threads() if self.device.type == "cpu" else 1, after)

    @torch.inference_mode()
    def pixels_embedded(self, pixels: Float[Tensor, "N 3 H W"] | UInt8[Tensor, "N 3 H W"]) -> Float[np.ndarray, "N D"]:
        """Return unit rows of pictures that are decoded already: as the tower takes them, or in a quarter of the memory as `shown` gives them."""
        self.model.eval()
        parts = (Images(pixels=_as_float(part)).to(self.device) for part in pixels.split(self.step))
        rows = [self.model.encode_image(part).pooled for part in parts]
        return normalize(torch.cat(rows).float(), dim=-1).cpu().numpy()

    @torch.inference_mode()
    def encoded(
        self, pictures: Sequence[bytes], spaces: Sequence[Space], progress: Progress = silent, doing: str = ""
    ) -> dict[Space, np.ndarray]:
        """Return float32 rows [N D] in each space, not of unit length: for probes, which scale what they are given."""
        self.model.eval()

        def work(pixels: Tensor) -> Arrays:
            encoded = self.model.encode_image(Images(pixels=pixels).to(self.device))
            return tuple(getattr(encoded, space).float().cpu().numpy() for space in spaces)

        return dict(zip(spaces, self._batches(work, pictures, progress, doing), strict=True))

    @torch.inference_mode()
    def picture_tokens(
        self, pictures: Sequence[bytes], progress: Progress = silent, doing: str = ""
    ) -> Float[np.ndarray, "N K D"]:
        """Return the patches of each picture in the shared space, float32, not of unit length."""
        self.model.eval()

        def work(pixels: Tensor) -> Arrays:
            return (_tokens(self.model.encode_image(Images(pixels=pixels).to(self.device), (TOKENS,))).cpu().numpy(),)

        (rows,) = self._batches(work, pictures, progress, doing)
        return rows

    @torch.inference_mode()
    def text_tokens(self, texts: Sequence[str]) -> tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]:
        """Return the words of each text in the shared space, not of unit length, and where they are real."""
        self.model.eval()

        def piece(start: int) -> Arrays:
            its = self.model.encode_text(self.vocabulary(texts[start : start + self.step]).to(self.device), (TOKENS,))
            assert its.mask is not None, "a text tower that gave tokens did not say which are real"
            return _tokens(its).cpu().numpy(), its.mask.cpu().numpy()

        encoded = self._in_pieces(piece, range(0, len(texts), self.step))
        longest = max(words.shape[1] for words, _ in encoded)
        words = [np.pad(words, ((0, 0), (0, longest - words.shape[1]), (0, 0))) for words, _ in encoded]
        masks = [np.pad(mask, ((0, 0), (0, longest - mask.shape[1]))) for _, mask in encoded]
        return np.concatenate(words), np.concatenate(masks)

    @torch.inference_mode()
    def grid(self) -> tuple[int, int] | None:
        """Return rows and columns in which the patches of a picture lie; found out by encoding an empty one."""
        self.model.eval()
        empty = Images(pixels=torch.ones(1, 3, self.preprocess.size, self.preprocess.size)).to(self.device)
        return self.model.encode_image(empty, (TOKENS,)).grid

    @torch.no_grad()  # in inference mode torch counts no operation of a linear map
    def cost(self) -> dict[Literal["image", "text"], dict[Counted, int]]:
        """Return of each side the parameters of tower and projection, their bytes, and the operations that one picture or text takes."""
        self.model.eval()
        model, size, context = self.model, self.preprocess.size, self.vocabulary.context
        picture = Images(pixels=torch.ones(1, 3, size, size)).to(self.device)
        ids = torch.ones(1, context, dtype=torch.int64)
        text = Texts(ids=ids, mask=ids > 0).to(self.device)
        with FlopCounterMode(display=False) as of_picture:
            model.encode_image(picture)
        with FlopCounterMode(display=False) as of_text:
            model.encode_text(text)
        sides = {"image": (model.image, model.image_projection), "text": (model.text, model.text_projection)}
        flops = {"image": of_picture.get_total_flops(), "text": of_text.get_total_flops()}
        return {
            side: {"parameters": _size(*parts), "bytes": _bytes(*parts), "flops": flops[side]}  # type: ignore[misc]  # a literal
            for side, parts in sides.items()
        }

    def windows(self, pictures: Sequence[bytes]) -> Float[np.ndarray, "N 4"]:
        """Return the part of each picture that the model is shown, see Preprocess.window."""
        return np.array([self.preprocess.window(data) for data in pictures], np.float64).reshape(-1, 4)

    def named(self, texts: Sequence[str], words: Sequence[str]) -> Bool[np.ndarray, "N L"]:
        """Return which tokens, as `text_tokens` gives them, are of the first place where a text has its word."""
        return self.vocabulary.named(texts, words)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Return unit rows, float32. Texts of like length are encoded together, each batch as long as its longest: padding takes no time."""
        self.model.eval()
        parts = []
        for start in range(0, len(texts), BATCHES * self.batch):
            rows = self.vocabulary(texts[start : start + BATCHES * self.batch])
            order = rows.mask.sum(1).argsort(stable=True)
            piece = partial(self._texts_encoded, rows, order, self.step)
            found = self._in_pieces(piece, range(0, len(order), self.step))
            parts.append(np.concatenate([part for (part,) in found])[order.argsort().numpy()])
        return np.concatenate(parts)

    @torch.inference_mode()
    def _texts_encoded(self, rows: Texts, order: Int[Tensor, "N"], step: int, start: int) -> Arrays:
        """Return a batch of texts as unit rows, those that come next in an order by length."""
        places = order[start : start + step]
        longest = max(int(rows.mask[places].sum(1).max()), 1)
        cut = Texts(ids=rows.ids[places, :longest], mask=rows.mask[places, :longest])
        return (normalize(self.model.encode_text(cut.to(self.device)).pooled.float(), dim=-1).cpu().numpy(),)


def _as_float(pixels: Tensor) -> Tensor:
    """Return what the image tower takes, in [0, 1]."""
    return torch.from_numpy(to_float(pixels.numpy())) if pixels.dtype == torch.uint8 else pixels


def _size(*parts: nn.Module) -> int:
    return sum(weight.numel() for part in parts for weight in part.parameters())


def _bytes(*parts: nn.Module) -> int:
    return sum(weight.nbytes for part in parts for weight in part.parameters())


def _tokens(encoded: Encoded) -> Float[Tensor, "N L D"]:
    assert encoded.tokens is not None, "a tower that was asked for tokens gave none"
    return encoded.tokens.float()
