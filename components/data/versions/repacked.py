"""A shard without some of its samples: the bytes of the others, header by header, as the writer of shards left them."""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from components.contracts.errors import DataError
from components.data.aside import Aside

_BLOCK = tarfile.BLOCKSIZE
_PIECE_BYTES = 4 * 2**20


def repack(shard: Path, to: Path, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write the samples of these rows, in their order in the shard, to `to`; return where each one's picture begins there.

    The file is what the writer would have made of these samples alone, byte for byte; `to` appears when it is whole, and is left
    as it is where it has that size already. DataError when the shard does not hold the samples in our layout.
    """
    try:
        with shard.open("rb") as file:
            spans = [_span(file, row, shard) for row in rows]
            offsets, end = [], 0
            for start, stop in spans:
                offsets.append(end + _BLOCK)
                end += stop - start
            size = _padded(end + 2 * _BLOCK, tarfile.RECORDSIZE)
            if not (to.is_file() and to.stat().st_size == size):
                _write(file, spans, size - end, to)
    except OSError as err:
        raise DataError(
            f"{shard} cannot be read ({err.strerror or err}), so nothing can be taken out of it. Fetch it with dvc checkout or dvc pull."
        ) from err
    return offsets


def _span(file: BinaryIO, row: Mapping[str, Any], shard: Path) -> tuple[int, int]:
    """Return where a sample's two members begin and end, headers and padding with them."""
    start = row["offset"] - _BLOCK
    picture = _header(file, start, shard, row["key"])
    beside = start + _BLOCK + _padded(picture.size, _BLOCK)
    words = _header(file, beside, shard, row["key"])
    if (
        picture.size != row["size_bytes"]
        or not picture.name.startswith(f"{row['key']}.")
        or words.name != f"{row['key']}.json"
    ):
        raise DataError(
            f"{shard} holds {picture.name} and {words.name} where the manifest says that sample {row['key']} lies: it was changed "
            "after it was made. Restore it with dvc checkout, or ingest again."
        )
    return start, beside + _BLOCK + _padded(words.size, _BLOCK)


def _header(file: BinaryIO, at: int, shard: Path, key: str) -> tarfile.TarInfo:
    file.seek(max(at, 0))
    try:
        return tarfile.TarInfo.frombuf(file.read(_BLOCK), "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as err:
        raise DataError(
            f"{shard} has no member at byte {at}, where the manifest says that sample {key} lies ({err}): it was changed or cut "
            "short. Restore it with dvc checkout, or ingest again."
        ) from err


def _write(file: BinaryIO, spans: Sequence[tuple[int, int]], padding: int, to: Path) -> None:
    aside = Aside(to)
    with aside.explaining(), aside.partial.open("wb") as out:
        for start, stop in spans:
            file.seek(start)
            left = stop - start
            while left:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    raise OSError(0, "it ends before its last sample does")
                out.write(piece)
                left -= len(piece)
        out.write(bytes(padding))
    aside.put()


def _padded(size: int, to: int) -> int:
    return -(-size // to) * to
