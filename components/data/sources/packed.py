"""Bytes of a file that may be packed, read forwards: as they lie there, or unpacked of gzip or Zstandard, at bounded cost.

What the file is, its first bytes say, and not its name. A stream that is cut or damaged gives what is before that place, and the
reason. One that unpacks to a hundred times what was read of it ends there: pictures do not, and bombs do.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

PIECE_BYTES = 2**18
_SMALL_BYTES = 2**12  # asked of pyarrow at once; with an error it gives nothing of what it had
TIMES = 100  # what is unpacked, of what it is unpacked of
ALLOWANCE_BYTES = 2**26  # before that is asked
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PACKED = (_GZIP, _ZSTD)  # how such a file begins


class Bytes(Protocol):
    """Bytes that are read forwards."""

    @property
    def size(self) -> int | None:
        """How many there are, where that is known before all are read."""

    @property
    def end(self) -> int:
        """Place behind the last byte that is known of."""

    @property
    def fault(self) -> str:
        """Why they end, where they end too early."""
        return ""

    def read_at(self, place: int, count: int) -> bytes:
        """Return bytes from a place that is not before the last one; fewer where they end."""
        ...


class Unpacked:
    """What pieces are unpacked to.

    Args:
        pieces: yields them; raises Damaged.
        taken: returns how many bytes were read to make the pieces that came.
    """

    size = None

    def __init__(self, pieces: Iterator[bytes], taken: Callable[[], int]) -> None:
        self._pieces, self._taken, self.fault = pieces, taken, ""
        self._held, self._from = bytearray(), 0  # what is unpacked and not passed yet, and the place of its first byte
        self._over = False

    @property
    def end(self) -> int:
        """Place behind the last byte that was unpacked."""
        return self._from + len(self._held)

    def read_at(self, place: int, count: int) -> bytes:
        """Return unpacked bytes; holds those and a piece."""
        while self.end < place + count and not self._over:
            self._drop(min(place, self.end))
            self._more()
        self._drop(min(place, self.end))
        return bytes(self._held[:count]) if self._from == place else b""

    def _drop(self, until: int) -> None:
        del self._held[: until - self._from]
        self._from = max(until, self._from)

    def _more(self) -> None:
        try:
            piece = next(self._pieces, None)
        except Damaged as err:
            piece, self.fault = None, str(err)
        self._held += piece or b""
        self._over = piece is None
        if self.end > ALLOWANCE_BYTES + TIMES * self._taken():
            self.fault, self._over = f"it unpacks to more than {TIMES} times its size, as bombs do", True


class Plain:
    """A file as it is."""

    fault = ""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = self.end = size
        self._file = file

    def read_at(self, place: int, count: int) -> bytes:
        """Return bytes of the file."""
        self._file.seek(place)
        return self._file.read(count)


class Damaged(Exception):
    """A packed stream cannot be read any further; the message says why."""


@contextmanager
def opened(path: Path) -> Iterator[Bytes]:
    """Yield the bytes of a file, unpacked where it is packed. OSError when it cannot be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe of that name would wait for a writer for ever
    with open(descriptor, "rb") as file:  # noqa: PTH123 -- of a descriptor
        first, size = file.read(4), os.fstat(file.fileno()).st_size
        file.seek(0)

        def taken() -> int:
            return size if file.closed else file.tell()  # pyarrow closes what it has read to the end

        if first.startswith(_GZIP):
            yield Unpacked(gzip_pieces(file), taken)
        elif first == _ZSTD:
            yield Unpacked(zstd_pieces(file), taken)
        else:
            yield Plain(file, size)


def gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield what a gzip file holds, of all members where it has several. Raises Damaged where one is cut, or not what its sum says."""
    rest = b""
    while True:
        while not (rest := rest.lstrip(b"\0")):  # some pad with these
            if not (rest := file.read(PIECE_BYTES)):
                return
        one = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not one.eof:
            fed = one.unconsumed_tail or rest or file.read(PIECE_BYTES)
            rest, before = b"", one.copy()
            try:
                piece = one.decompress(fed, PIECE_BYTES)
            except zlib.error as err:
                yield from _up_to_damage(before, fed)
                raise Damaged(f"its gzip stream is damaged ({err})") from err
            if piece:
                yield piece
            elif not fed and not one.eof:
                raise Damaged("its gzip stream ends too early")
        rest = one.unused_data


def _up_to_damage(unpacker: "zlib._Decompress", fed: bytes) -> Iterator[bytes]:
    """Yield what bytes unpack to, one by one up to the damage; of all at once, zlib gives nothing but the error."""
    with suppress(zlib.error):
        for place in range(len(fed)):
            yield unpacker.decompress(fed[place : place + 1])


def zstd_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield what a Zstandard file holds. Raises Damaged where it is cut, or not what its sum says."""
    try:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
            while piece := stream.read(_SMALL_BYTES):
                yield piece
    except (pa.ArrowException, OSError) as err:
        if isinstance(err, OSError) and err.errno is not None:  # the world's; pyarrow's own has none
            raise
        raise Damaged(f"its Zstandard stream cannot be read on ({str(err).splitlines()[0]})") from err
