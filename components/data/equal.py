"""Which of very many values stood there before, a piece of them in memory at once.

Values are told apart by a hash of 64 bits each, and those that share one are compared, so the answer is exact; no table of all different
values is made, whose random reads grow dearer the larger it is.
Axes: N values, W words of 8 bytes.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64, UInt64
from numpy.typing import NDArray

from components.data.in_order import in_order

AT_ONCE = 1 << 15  # values whose bytes are held at once
_WORD = 8  # bytes
_MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xBF58476D1CE4E5B9)  # odd


def again(values: pa.ChunkedArray, ranked: Int64[np.ndarray, " N"], at_once: int = AT_ONCE) -> Int64[np.ndarray, " _"]:
    """Return which of `ranked`, by their places in it, have a value that one before them in it has; a missing one is like no other.

    Args:
        values: one a row.
        ranked: rows, some or all, in any order.
        at_once: values held at once.
    """
    hashes, known = np.empty(len(values), np.uint64), np.empty(len(values), bool)
    for start, piece in pieces(values, at_once):
        here = slice(start, start + len(piece))
        hashes[here], known[here] = hashed(piece), np.asarray(pc.is_valid(piece))
    has = np.flatnonzero(known[ranked])
    return has[again_by(hashes[ranked[has]], lambda some: taken(values, ranked[has[some]]), at_once)]


def again_by(
    hashes: UInt64[np.ndarray, " N"], values: Callable[[NDArray[np.int64]], pa.Array], at_once: int = AT_ONCE
) -> Int64[np.ndarray, " _"]:
    """Return the places of values that stood there before, given the hash of each, and what gives the values at some places."""
    keys, places = in_order(hashes, shorten=True)
    found = [np.empty(0, np.int64)]
    while len(places):
        begins = np.append(True, keys[1:] != keys[:-1])
        alone = begins & np.append(begins[1:], True)
        keys, places, begins = keys[~alone], places[~alone], begins[~alone]
        first = places[begins][np.cumsum(begins) - 1] if len(places) else places
        keys, places, first = keys[~begins], places[~begins], first[~begins]
        equal = _equal(values, first, places, at_once)
        found.append(places[equal])
        keys, places = keys[~equal], places[~equal]
    return np.sort(np.concatenate(found))


def _equal(
    values: Callable[[NDArray[np.int64]], pa.Array], one: NDArray[np.int64], other: NDArray[np.int64], at_once: int
) -> Bool[np.ndarray, " _"]:
    equal = np.empty(len(one), bool)
    for start in range(0, len(one), at_once):
        some = slice(start, start + at_once)
        equal[some] = np.asarray(pc.equal(values(one[some]), values(other[some])))
    return equal


def hashed(values: pa.Array) -> UInt64[np.ndarray, " N"]:
    """Return a hash of the bytes of each value, of what a number is written as; of a missing one that of nothing."""
    if not (pa.types.is_binary(values.type) or pa.types.is_string(values.type)):
        values = values.cast(pa.string())
    values = pc.fill_null(values, b"" if pa.types.is_binary(values.type) else "")
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    first = ends[0] if len(ends) else 0
    held = np.zeros(int(ends[-1] - first) + _WORD, np.uint8)
    held[:-_WORD] = np.frombuffer(data, np.uint8)[first : ends[-1]] if data is not None else []
    lengths, begins = np.diff(ends), ends[:-1] - first
    words = np.maximum(1, -(-lengths // _WORD))
    starts = np.cumsum(words) - words
    number = np.arange(int(words.sum())) - np.repeat(starts, words)
    windows = np.ndarray(len(held) - _WORD + 1, "<u8", held, strides=(1,))
    read = windows[np.repeat(begins, words) + _WORD * number]
    last = starts + words - 1
    read[last] &= (~np.uint64(0)) >> (8 * (_WORD * words - lengths)).clip(0, 63).astype(np.uint64)
    read[last[lengths == 0]] = 0
    read ^= number.astype(np.uint64) * _MIX[0]
    read = _mixed(read)
    if not len(values):
        return read
    sums: NDArray[np.uint64] = np.add.reduceat(read, starts)
    return _mixed(sums ^ lengths.astype(np.uint64))


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return numbers each bit of which depends on all bits of what is given; they are changed in place."""
    for factor, shift in zip(_MIX[1:], (32, 29), strict=True):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= factor
    numbers ^= numbers >> np.uint64(32)
    return numbers


def pieces(values: pa.ChunkedArray, at_once: int) -> Iterator[tuple[int, pa.Array]]:
    """Yield where each piece begins, and its values; together they are all."""
    for start in range(0, len(values), at_once):
        yield start, values.slice(start, at_once).combine_chunks()


def taken(values: pa.ChunkedArray, places: NDArray[np.int64]) -> pa.Array:
    """Return the values at some places; no chunk is copied for it, as pyarrow does where there are several."""
    if values.num_chunks == 1:
        return values.chunk(0).take(pa.array(places))
    order = np.argsort(places, kind="stable")
    ends = np.cumsum([0, *map(len, values.chunks)])
    cuts = np.searchsorted(places[order], ends)
    found = [
        chunk.take(pa.array(places[order[one:other]] - begins))
        for chunk, begins, one, other in zip(values.chunks, ends[:-1], cuts[:-1], cuts[1:], strict=True)
        if other > one
    ]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(found).take(pa.array(back)) if found else pa.array([], values.type)
