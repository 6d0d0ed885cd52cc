"""What can be counted of a sample, as columns for Keep and Select to go by.

Source: the counts that data sets of captions are filtered by, such as in Schuhmann et al. 2021, arXiv:2111.02114 (short texts,
small files), and Gadre et al. 2023, arXiv:2304.14108, section 3.4 (words, characters, aspect). Differs: a sample with several
texts is counted by its longest.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import Report, RowOp
from components.contracts.features import Features

_OF_TEXTS = ("texts_count", "words", "characters", "latin", "repeated")
_OF_FILES = ("pixels", "short_side", "aspect", "bits_per_pixel")
_OF_PRINTS = ("contrast",)


class Measure(RowOp):
    """Adds columns, and leaves nothing out.

    Of texts: `texts_count`; `words` and `characters` of the longest; `latin`, share of the letters, in all texts, that are Latin,
    null where there is no letter; `repeated`, share of the words of the longest that stood in it before.
    Of files: `pixels`, width times height; `short_side`, pixels; `aspect`, the longer side over the shorter; `bits_per_pixel` of the
    encoded file. Null where the picture cannot be decoded.

    Args:
        pictures: whether pictures are decoded as well, for `contrast`, RMS from the mean colour, 0 to 1.
    """

    def __init__(self, pictures: bool = False) -> None:
        self.pictures = pictures

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what of a manifest is counted."""
        return ("texts", "width", "height", "size_bytes")

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return (*_OF_TEXTS, *_OF_FILES, *(_OF_PRINTS if self.pictures else ()))

    @property
    def features(self) -> tuple[str, ...]:
        """Return what decoding gives, where it is asked for."""
        return ("prints",) if self.pictures else ()

    def find(self, rows: pa.Table, seed: int) -> pa.Table:
        """Return the counts that need no picture."""
        return pa.table({**_of_texts(rows), **_of_files(rows)})

    def finish(self, table: pa.Table, found: pa.Table, features: Features) -> tuple[pa.Table, Report]:
        """Return all rows with their counts, and the mean of each in the report."""
        counted = {name: found[name] for name in (*_OF_TEXTS, *_OF_FILES)}
        if self.pictures:
            counted["contrast"] = features.of("prints", table["key"].combine_chunks())["contrast"]
        stats = {
            f"mean {name}": mean for name, column in counted.items() if (mean := pc.mean(column).as_py()) is not None
        }
        return with_columns(table, counted), Report(op=self.name, rows_in=len(table), rows_out=len(table), stats=stats)


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """Return the table with these columns, in place of those of the same names."""
    for name, column in columns.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, column)
        else:
            table = table.append_column(name, column)
    return table


def _of_texts(table: pa.Table) -> dict[str, pa.Array]:
    listed = table["texts"].combine_chunks()
    owner = np.asarray(pc.list_parent_indices(listed), np.int64)
    said = pc.struct_field(pc.list_flatten(listed), "text")
    words, repeated = _words(said, owner, len(table))
    letters, latin = (
        _summed(pc.count_substring_regex(said, kind), owner, len(table)) for kind in (r"\p{L}", r"\p{Latin}")
    )
    return {
        "texts_count": pa.array(np.bincount(owner, minlength=len(table)), pa.int32()),
        "words": words,
        "characters": _highest(pc.utf8_length(said), owner, len(table)),
        "latin": pa.array(latin / np.maximum(letters, 1), mask=letters == 0),
        "repeated": repeated,
    }


def _summed(values: pa.Array, owner: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(owner, np.asarray(pc.fill_null(values, 0)), minlength=count)


def _highest(values: pa.Array, owner: np.ndarray, count: int) -> pa.Array:
    most = np.zeros(count, np.int32)
    np.maximum.at(most, owner, np.asarray(pc.fill_null(values, 0)).astype(np.int32))
    return pa.array(most)


def _words(said: pa.Array, owner: np.ndarray, count: int) -> tuple[pa.Array, pa.Array]:
    """Return how many words each row's longest text has, and the share of them that stood in it before; 0 without words.

    Words stand between white space of any script, which RE2's `\\S` knows of ASCII alone.
    """
    most, share = np.zeros(count, np.int32), np.zeros(count)
    for row, text in zip(owner.tolist(), pc.fill_null(pc.utf8_lower(said), "").to_pylist(), strict=True):
        words = text.split()
        if len(words) > most[row]:
            most[row], share[row] = len(words), 1 - len(set(words)) / len(words)
    return pa.array(most), pa.array(share)


def _of_files(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    width, height = (pc.cast(table[name], pa.float64()) for name in ("width", "height"))
    pixels, short = pc.multiply(width, height), _either(pc.min_element_wise, width, height)
    return {
        "pixels": pc.cast(pixels, pa.int64()),
        "short_side": pc.cast(short, pa.int32()),
        "aspect": pc.divide(_either(pc.max_element_wise, width, height), short),
        "bits_per_pixel": pc.divide(pc.multiply(pc.cast(table["size_bytes"], pa.float64()), 8.0), pixels),
    }


def _either(which: Callable[..., pa.ChunkedArray], one: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    return which(one, other, skip_nulls=False)
