"""Encoders, run by a worker of the gateway from the very files that Triton serves: the way to another process costs more than a small one does, and threads that meet after each layer of a large one more than a batch a thread.

Axes: N samples, D embedding width.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from components.contracts.errors import CapabilityError, StaleArtifact
from components.data.transforms import preprocess
from components.serving.encoders import Encoders
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.gateway.batcher import Batcher
from components.serving.gateway.metrics import BATCH
from components.serving.gateway.pictures_in import sides_of
from components.serving.health import TEXT
from components.serving.odd_samples import encode
from components.serving.repository import EACH, ENCODERS, VERSION, number_in
from components.serving.triton_client import MAX_BATCH

ON_THE_LOOP_S = 0.005  # that samples may take there: nobody else is answered meanwhile, and to hand them to a thread takes a part of it
CHARACTERS = 10_000  # of all texts that are done there
BYTES = 2**16  # of all pictures that are done there, and pixels that are made of each: many of either take long
BOUNDED = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""How PNG and JPEG begin, whose decoders do no more than the pixels ask for: a TIFF of one pixel may have a tile of millions."""
THREADS = 2  # for pictures of a small encoder; texts have one of their own, and wait for no large picture
FEW = 8  # rows of a batch in one of several threads: more gain nothing, and leave the others without any
STUCK_S = 60.0  # that a thread may be at a batch of what takes no time: to decode the largest pictures that are taken takes some ten at most
BUSY_TIMES = (
    4.0  # that a sample may take as long as it did alone: other threads are at work by then, and other programs
)
MOST_STUCK_S = 600.0  # that a thread may be at a batch in any case
TRIES = 5  # to see how long a sample takes: the shortest is without what else goes on
PREPROCESS = Path(preprocess.__file__)
CODE = PREPROCESS.read_bytes()


@dataclass(frozen=True, slots=True)
class Split:
    """How samples of a kind are shared out.

    Args:
        rows: of a batch at most.
        threads: each of which is at one batch.
    """

    rows: int
    threads: int


SMALL = {"image_encoder": Split(FEW, THREADS), "text_encoder": Split(MAX_BATCH, 1)}


class InProcess:
    """Two encoders, for one event loop.

    Args:
        encoders: theirs.
        text_s, picture_s: seconds that a sample takes.
        splits: by the name of an encoder.
    """

    def __init__(
        self, encoders: Encoders, text_s: float, picture_s: float, splits: Mapping[str, Split] = SMALL
    ) -> None:
        self.splits = splits
        pictures, texts = (splits[name] for name in ENCODERS)
        self._threads = (
            Threads(texts.threads, "texts", texts.rows * text_s),
            Threads(pictures.threads, "pictures", pictures.rows * picture_s),
        )
        self._texts = Batcher(partial(_texts, encoders, self._threads[0], text_s), texts.rows, texts.threads)
        self._pictures = Batcher(
            partial(_pictures, encoders, self._threads[1], picture_s), pictures.rows, pictures.threads
        )

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts; ServerFailed where their encoder fails."""
        return await self._texts.rows(list(texts))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one, ServerFailed where their encoder fails."""
        return await self._pictures.rows(list(images))

    def is_stuck(self) -> bool:
        """Return whether a thread has been at a batch for so long that it may never end."""
        return any(threads.longest_s() > stuck_s(threads.batch_s) for threads in self._threads)

    def close(self) -> None:
        """Let go of the threads, once they have done what they have begun."""
        for threads in self._threads:
            threads.shutdown(wait=False)


class Threads(ThreadPoolExecutor):
    """So many threads, and for how long they have been at what they do.

    Args:
        count: of threads.
        name: of them.
        batch_s: seconds that the largest batch takes where nothing else goes on.
    """

    def __init__(self, count: int, name: str, batch_s: float) -> None:
        super().__init__(count, name)
        self.batch_s = batch_s
        self._began: dict[object, float] = {}

    def longest_s(self) -> float:
        """Return for how many seconds the longest of what is done now has been done; 0.0 where nothing is."""
        return max((time.monotonic() - began for began in list(self._began.values())), default=0.0)

    def timed(self, do: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what `do` does; run it in one of them."""
        mark = object()
        self._began[mark] = time.monotonic()
        try:
            return do()
        finally:
            del self._began[mark]


def stuck_s(batch_s: float) -> float:
    """Return for how many seconds a thread may be at a batch that takes `batch_s` alone, until it may never end."""
    return min(STUCK_S + BUSY_TIMES * batch_s, MOST_STUCK_S)


def check_runnable(repository: Path) -> None:
    """Look whether the encoders of a repository that Triton serves may be run here, without loading them.

    Raises CapabilityError where other code makes pixels of pictures there; StaleArtifact where they cannot be read.
    """
    with _readable():
        if (repository / "image_preprocess" / VERSION / PREPROCESS.name).read_bytes() != CODE:
            raise CapabilityError(
                "another version of diptych laid the encoders out, which may make other pixels of a picture"
            )


def open_served(repository: Path, threads: int) -> InProcess:
    """Return the encoders of a repository that Triton serves, of large ones in so many threads each. Raises StaleArtifact where they cannot be loaded."""
    graphs = _graphs(repository)
    with _readable():
        configs = {name: (repository / name / "config.pbtxt").read_text(encoding="utf-8") for name in ENCODERS}
        splits = {name: split(name, config, threads) for name, config in configs.items()}
        encoders = Encoders(
            image=graphs["image_encoder"],
            text=graphs["text_encoder"],
            transforms=repository / "image_preprocess" / VERSION / "transforms.json",
            tokenizer=repository / "tokenizer" / VERSION / "tokenizer.json",
            threads=1,
            quiet=True,
        )
        shown = encode(Image.radial_gradient("L"), "PNG")  # of the most pixels that are done on the loop
        return InProcess(
            encoders,
            text_s=_shortest(lambda: encoders.embed_text([TEXT])),
            picture_s=_shortest(lambda: encoders.embed_image([shown])),
            splits=splits,
        )


def split(name: str, config: str, threads: int) -> Split:
    """Return how samples of an encoder are shared out, by the config.pbtxt that Triton reads: of a large one several threads have few rows each."""
    if number_in(config, "intra_op_thread_count") != EACH:
        return SMALL[name]
    return Split(min(number_in(config, "rows_a_thread") or FEW, FEW), threads)


def _graphs(repository: Path) -> dict[str, Path]:
    return {name: repository / name / VERSION / "model.onnx" for name in ENCODERS}


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (CapabilityError, StaleArtifact, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as err:  # of protobuf, tokenizers and the disk; what fails in Rust is no Exception
        raise StaleArtifact(f"they cannot be loaded ({type(err).__name__}: {err})") from err


async def _texts(encoders: Encoders, threads: Threads, each_s: float, texts: list[str]) -> np.ndarray:
    """Return float32 [N D]."""
    BATCH.labels("embed_text").observe(len(texts))
    quick = len(texts) * each_s <= ON_THE_LOOP_S and sum(map(len, texts)) <= CHARACTERS
    return await _run(threads, quick, lambda: encoders.embed_text(texts))


async def _pictures(encoders: Encoders, threads: Threads, each_s: float, pictures: list[bytes]) -> np.ndarray:
    """Return float32 [N D]; RequestRefused names a broken one."""
    BATCH.labels("embed_image").observe(len(pictures))
    small = sum(map(len, pictures)) <= BYTES and all(
        one.startswith(BOUNDED) and encoders.made(*sides_of(one)) <= BYTES for one in pictures
    )
    return await _run(
        threads,
        small and len(pictures) * each_s <= ON_THE_LOOP_S,
        lambda: encoders.embed_pixels(np.stack([_pixels(encoders, at, one) for at, one in enumerate(pictures)])),
    )


async def _run(threads: Threads, here: bool, do: Callable[[], np.ndarray]) -> np.ndarray:
    """Return what `do` does, on the event loop or in a thread. Raises RequestRefused as it does, and ServerFailed for whatever else."""
    try:
        return do() if here else await asyncio.get_running_loop().run_in_executor(threads, threads.timed, do)
    except (RequestRefused, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as err:  # what fails in Rust is no Exception
        raise ServerFailed(f"the encoders failed here ({type(err).__name__})") from err


def _pixels(encoders: Encoders, at: int, picture: bytes) -> np.ndarray:
    try:
        return encoders.pixels(picture)
    except preprocess.BadImage as err:
        why = str(err)
    except MemoryError:
        raise
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
