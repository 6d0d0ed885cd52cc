"""Small encoders, run by a worker of the gateway from the very files that Triton serves: for them the way to another process costs more than they do.

Axes: N samples, D embedding width.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
import onnx

from components.contracts.errors import StaleArtifact
from components.data.transforms.preprocess import BadImage
from components.serving.encoders import Encoders
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.batcher import Batcher
from components.serving.gateway.metrics import BATCH
from components.serving.gateway.pictures_in import pixels_of
from components.serving.graph import weights_of
from components.serving.health import TEXT, a_picture
from components.serving.repository import ENCODERS, LARGE, VERSION
from components.serving.triton_client import MAX_BATCH

AT_ONCE_S = 0.005  # that the event loop may stand still: what takes less is done before a thread has begun it
CHARACTERS, PIXELS = (
    10_000,
    2**18,
)  # of all that is done so: what texts are cut at, and pictures are resized to, is read whole first
THREADS = 2  # while one decodes, another multiplies
TRIES = 5  # to see how long a sample takes: the shortest is without what else goes on


class InProcess:
    """The two encoders of a served repository, for one event loop.

    Args:
        encoders: theirs.
        text_s, picture_s: seconds that a small sample takes.
    """

    def __init__(self, encoders: Encoders, text_s: float, picture_s: float) -> None:
        self._encoders, self._text_s, self._picture_s = encoders, text_s, picture_s
        self._threads = ThreadPoolExecutor(THREADS, "encoders")
        self._texts = Batcher(self._of_texts, MAX_BATCH, 1)
        self._pictures = Batcher(self._of_pictures, MAX_BATCH, THREADS)

    @classmethod
    def open(cls, repository: Path) -> Self | None:
        """Return the encoders of a repository; None where one of them is large, of which the way to it is a small part.

        Raises StaleArtifact or OSError where they are not there, or cannot be loaded.
        """
        image, text = (repository / name / VERSION / "model.onnx" for name in ENCODERS)
        if any(weights_of(onnx.load(str(one), load_external_data=False).graph) > LARGE for one in (image, text)):
            return None
        encoders = Encoders(
            image=image, text=text, transforms=repository / "image_preprocess" / VERSION / "transforms.json",
            tokenizer=repository / "tokenizer" / VERSION / "tokenizer.json", threads=1,
        )  # fmt: skip
        shown = a_picture()
        return cls(
            encoders, _shortest(lambda: encoders.embed_text([TEXT])), _shortest(lambda: encoders.embed_image([shown]))
        )

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts."""
        return await self._texts.rows(list(texts))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one."""
        return await self._pictures.rows(list(images))

    def close(self) -> None:
        """Let go of the threads, once they have done what they have begun."""
        self._threads.shutdown(wait=False)

    async def _of_texts(self, texts: list[str]) -> np.ndarray:
        BATCH.labels("embed_text").observe(len(texts))
        few = len(texts) * self._text_s <= AT_ONCE_S and sum(map(len, texts)) <= CHARACTERS
        return await self._done(few, lambda: self._encoders.embed_text(texts))

    async def _of_pictures(self, pictures: list[bytes]) -> np.ndarray:
        BATCH.labels("embed_image").observe(len(pictures))
        few = len(pictures) * self._picture_s <= AT_ONCE_S and sum(map(pixels_of, pictures)) <= PIXELS
        return await self._done(
            few,
            lambda: self._encoders.embed_pixels(np.stack([self._pixels(at, one) for at, one in enumerate(pictures)])),
        )

    async def _done(self, few: bool, do: Callable[[], np.ndarray]) -> np.ndarray:
        return _run(do) if few else await asyncio.get_running_loop().run_in_executor(self._threads, _run, do)

    def _pixels(self, at: int, picture: bytes) -> np.ndarray:
        try:
            return self._encoders.pixels(picture)
        except BadImage as err:
            raise RequestRefused(f"embed_image refused the request: picture {at}: {err}.") from err
        except Exception as err:  # Pillow resizing hostile shapes
            raise RequestRefused(
                f"embed_image refused the request: picture {at}: cannot be brought to the model's size ({type(err).__name__})."
            ) from err


def _shortest(do: Callable[[], object]) -> float:
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return min(took)


def _run(do: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return do()
    except StaleArtifact as err:  # names files of ours, which no client is to read
        raise ServerFailed("The encoders failed in this process.") from err
