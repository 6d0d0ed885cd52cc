"""Small encoders, run by a worker of the gateway from the very files that Triton serves: for them the way to another process costs more than they do.

Axes: N samples, D embedding width.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from components.contracts.errors import CapabilityError, StaleArtifact
from components.data.transforms import preprocess
from components.serving.encoders import Encoders
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.batcher import Batcher
from components.serving.gateway.metrics import BATCH
from components.serving.gateway.pictures_in import pixels_of
from components.serving.graph import weights_of
from components.serving.health import TEXT
from components.serving.odd_samples import encode
from components.serving.repository import ENCODERS, LARGE, VERSION
from components.serving.triton_client import MAX_BATCH

ON_THE_LOOP_S = 0.005  # that samples may take there: nobody else is answered meanwhile, and to hand them to a thread takes a part of it
CHARACTERS = 10_000  # of all texts that are done there
BYTES = 2**16  # of all pictures that are done there, and pixels of each: a decoder takes long over many of either
THREADS = 2
FEW = 8  # pictures of a batch: more gain nothing, and leave the other thread without any
TRIES = 5  # to see how long a sample takes: the shortest is without what else goes on
PREPROCESS = Path(preprocess.__file__)


class InProcess:
    """Two encoders, for one event loop.

    Args:
        encoders: theirs.
        text_s, picture_s: seconds that a sample takes.
    """

    def __init__(self, encoders: Encoders, text_s: float, picture_s: float) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "encoders")
        self._texts = Batcher(partial(_texts, encoders, self._threads, text_s), MAX_BATCH, 1)
        self._pictures = Batcher(partial(_pictures, encoders, self._threads, picture_s), FEW, THREADS)

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts; ServerFailed where their encoder fails."""
        return await self._texts.rows(list(texts))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one, ServerFailed where their encoder fails."""
        return await self._pictures.rows(list(images))

    def close(self) -> None:
        """Let go of the threads, once they have done what they have begun."""
        self._threads.shutdown(wait=False)


def open_served(repository: Path) -> InProcess:
    """Return the encoders of a repository that Triton serves.

    Raises CapabilityError where one of them is large, of which the way to it is a small part, or other code makes pixels of pictures there;
    StaleArtifact where they cannot be loaded.
    """
    images, tokens = repository / "image_preprocess" / VERSION, repository / "tokenizer" / VERSION
    image, text = (repository / name / VERSION / "model.onnx" for name in ENCODERS)
    try:
        if (images / PREPROCESS.name).read_bytes() != PREPROCESS.read_bytes():
            raise CapabilityError("another version of diptych laid them out, which may make other pixels of a picture")
        if any(weights_of(onnx.load(str(one), load_external_data=False).graph) > LARGE for one in (image, text)):
            raise CapabilityError(f"one of them has more than {LARGE:,} weights")
        encoders = Encoders(
            image=image,
            text=text,
            transforms=images / "transforms.json",
            tokenizer=tokens / "tokenizer.json",
            threads=1,
        )
        shown = encode(Image.radial_gradient("L"), "PNG")  # of the most pixels that are done on the loop
        return InProcess(
            encoders,
            text_s=_shortest(lambda: encoders.embed_text([TEXT])),
            picture_s=_shortest(lambda: encoders.embed_image([shown])),
        )
    except (CapabilityError, StaleArtifact):
        raise
    except Exception as err:  # protobuf, tokenizers and the disk have no error in common
        raise StaleArtifact(f"they cannot be loaded ({type(err).__name__}: {err})") from err


async def _texts(encoders: Encoders, threads: ThreadPoolExecutor, each_s: float, texts: list[str]) -> np.ndarray:
    BATCH.labels("embed_text", "gateway").observe(len(texts))
    quick = len(texts) * each_s <= ON_THE_LOOP_S and sum(map(len, texts)) <= CHARACTERS
    return await _run(threads, quick, lambda: encoders.embed_text(texts))


async def _pictures(
    encoders: Encoders, threads: ThreadPoolExecutor, each_s: float, pictures: list[bytes]
) -> np.ndarray:
    BATCH.labels("embed_image", "gateway").observe(len(pictures))
    small = sum(map(len, pictures)) <= BYTES and max(map(pixels_of, pictures)) <= BYTES
    return await _run(
        threads,
        small and len(pictures) * each_s <= ON_THE_LOOP_S,
        lambda: encoders.embed_pixels(np.stack([_pixels(encoders, at, one) for at, one in enumerate(pictures)])),
    )


async def _run(threads: ThreadPoolExecutor, here: bool, do: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what `do` does, on the event loop or in a thread. Raises RequestRefused as it does, and ServerFailed for whatever else."""
    try:
        return do() if here else await asyncio.get_running_loop().run_in_executor(threads, do)
    except (RequestRefused, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as err:  # what fails in Rust is no Exception
        raise ServerFailed(f"the encoders failed here ({type(err).__name__})") from err


def _pixels(encoders: Encoders, at: int, picture: bytes) -> np.ndarray:
    try:
        return encoders.pixels(picture)
    except preprocess.BadImage as err:
        why = str(err)
    except Exception as err:  # Pillow resizing hostile shapes
        why = f"cannot be brought to the model's size ({type(err).__name__})"
    raise RequestRefused(f"embed_image refused the request: picture {at}: {why}.")


def _shortest(do: Callable[[], object]) -> float:
    took = []
    for _ in range(TRIES):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return min(took)
