"""Vector pictures drawn to PNG by resvg, on a few processes, in the order asked for.

resvg holds Python's lock while it draws, so threads would not help. The bytes do not depend on the number of workers.
"""

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import resvg_py

from components.contracts.errors import TransientError
from components.data.processes import end_with_parent

CHUNK = 16  # drawings handed over at once; one takes 1 to 4 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One picture to draw.

    Args:
        svg: its SVG text.
        size: pixels a side.
        font_file: the only font it may use; system fonts never are, so that every machine draws the same.
    """

    svg: str
    size: int
    font_file: str | None = None


def draw(drawing: Drawing) -> bytes:
    """Return PNG bytes, transparent where nothing is drawn; ValueError for SVG that cannot be parsed."""
    fonts = [] if drawing.font_file is None else [drawing.font_file]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=drawing.svg, width=drawing.size, height=drawing.size, font_files=fonts, skip_system_fonts=True
        )
    )


def draw_all(drawings: Iterable[Drawing], workers: int) -> Generator[bytes, None, None]:
    """Yield the picture of each drawing in order, holding no more than a few chunks for each of `workers` processes."""
    if workers <= 1:
        yield from map(draw, drawings)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy whatever threads and locks the caller has
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        waiting: deque[Future[list[bytes]]] = deque()
        for chunk in _chunks(drawings):
            waiting.append(pool.submit(_draw_chunk, chunk))
            if len(waiting) >= 3 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as err:
        raise TransientError(
            "a drawing process ended before its work did; was it killed, or memory short? Try again, with workers: 1 if it recurs."
        ) from err
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _draw_chunk(chunk: list[Drawing]) -> list[bytes]:
    return [draw(drawing) for drawing in chunk]


def _chunks(drawings: Iterable[Drawing]) -> Iterator[list[Drawing]]:
    chunk: list[Drawing] = []
    for drawing in drawings:
        chunk.append(drawing)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
