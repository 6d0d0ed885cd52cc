"""A picture as a page for people shows it: small, encoded anew, inside the page."""

import base64
import io
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from PIL import Image

SIDE = 72  # pixels, at most


def data_uri(picture: Image.Image) -> str:
    """Return the address of a PNG of at most SIDE pixels a side. Bytes that came in are never handed to a browser."""
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    held = io.BytesIO()
    small.save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


def small_jpeg(picture: Image.Image) -> bytes:
    """Return a JPEG of at most SIDE pixels a side of an RGB picture, about 2 KB; the picture stays as it is."""
    scale = SIDE / max(SIDE, *picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    held = io.BytesIO()
    small.save(held, "JPEG", quality=85)
    return held.getvalue()


class Thumbnails:
    """Small JPEGs of many pictures, in a file without a name: which of them will be shown is known only at the end.

    Use as a context manager; the file goes with it, also when the process is killed.
    """

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 -- closed in __exit__
        self._at: list[tuple[int, int]] = []

    def add(self, jpeg: bytes | None) -> None:
        """Take the next picture's, None where it has none."""
        self._at.append((self._file.tell(), len(jpeg or b"")))
        self._file.write(jpeg or b"")

    def open(self, place: int) -> Image.Image | None:
        """Return the picture that was added at a place, from 0. Nothing can be added any more."""
        start, size = self._at[place]
        self._file.seek(start)
        return Image.open(io.BytesIO(self._file.read(size))) if size else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
