"""What was found of samples, beside their manifest: joined by key, never by position.

Axes: N rows asked for, D embedding width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32

from components.contracts.errors import ConfigError, DataError

VECTOR = "vector"  # the column of an embedding: a list of D numbers a row
_NAMED = 3  # keys in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One kind of features.

    Args:
        name: such as `prints`, `clip.image`, `clip.text`.
        model: what made them, with its digest.
        table: `key`, each once, and what was found. Of a `.text` feature the text itself is the key.

    Raises DataError for a key that is there twice.
    """

    name: str
    model: str
    table: pa.Table

    def __post_init__(self) -> None:
        keys = self.table["key"]
        if len(keys) != pc.count_distinct(keys).as_py():
            raise DataError(
                f"the features {self.name} have a key more than once, so nobody can tell which row is meant. Make them again."
            )

    def and_also(self, other: "Feature") -> "Feature":
        """Return these and further rows; DataError when another model made those."""
        if other.model != self.model:
            raise DataError(
                f"the features {self.name} were made by {self.model}, and further ones by {other.model}. Numbers of two models "
                "cannot be compared; make all of them with one."
            )
        return replace(self, table=pa.concat_tables([self.table, other.table]).combine_chunks())


class Features:
    """Features by name; a value: adding gives another one."""

    def __init__(self, by_name: Mapping[str, Feature] | None = None) -> None:
        self._by_name = dict(by_name or {})

    def plus(self, feature: Feature) -> "Features":
        """Return these with more rows of one kind, or with a further kind."""
        held = self._by_name.get(feature.name)
        return Features({**self._by_name, feature.name: feature if held is None else held.and_also(feature)})

    def lacking(self, name: str, keys: pa.Array) -> pa.Array:
        """Return those of the keys, each once, that have no such features yet."""
        different = pc.drop_null(pc.unique(keys))
        if name not in self._by_name:
            return different
        held = self._by_name[name].table["key"].combine_chunks()
        return different.filter(pc.invert(pc.is_in(different, held)))

    def of(self, name: str, keys: pa.Array) -> pa.Table:
        """Return the columns of a kind, row i of keys[i]; ConfigError for a kind that is not there, DataError for a key."""
        if name not in self._by_name:
            near = get_close_matches(name, self._by_name, n=1, cutoff=0)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise ConfigError(f"there are no features {name!r}, only {', '.join(self._by_name) or 'none'}{meant}")
        table = self._by_name[name].table
        held = table["key"].combine_chunks()
        if keys.equals(held):
            return table
        at = pc.index_in(keys, held)
        if at.null_count:
            missing = keys.filter(pc.is_null(at))
            raise DataError(
                f"the features {name} have {len(keys) - at.null_count:,} of {len(keys):,} samples that are asked for, and not "
                f"{_some(missing)}: they were made of another manifest. Make them again, of this one."
            )
        return table.take(at)

    def matrix(self, name: str, keys: pa.Array) -> Float32[np.ndarray, "N D"]:
        """Return embeddings, row i of keys[i].

        Raises DataError, naming samples, for one that is not finite or has no length, and where two rows or more are all the
        same: a model that says the same of everything has seen nothing.
        """
        vectors = self.of(name, keys)[VECTOR].combine_chunks()
        rows: np.ndarray = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(keys), -1)
        bad = ~np.isfinite(rows).all(1) | (np.abs(rows).sum(1) == 0)
        if bad.any():
            raise DataError(
                f"the features {name} of {bad.sum():,} of {len(keys):,} samples are no numbers or have no length, such as of "
                f"{_some(keys.filter(pa.array(bad)))}. A picture that cannot be decoded, or a model that diverged, gives such; "
                "leave the pictures out, or take another model."
            )
        if len(pc.unique(keys)) > 1 and (rows == rows[0]).all():
            raise DataError(
                f"the features {name} are the same for all {len(keys):,} samples, so they tell nothing apart. The model does not "
                "fit these pictures, or was never trained; take another one."
            )
        return rows

    def unit(self, name: str, keys: pa.Array) -> Float32[np.ndarray, "N D"]:
        """Return the same with length 1; errors as of `matrix`."""
        rows = self.matrix(name, keys)
        unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def _some(keys: pa.Array) -> str:
    named = ", ".join(keys[:_NAMED].to_pylist())
    return named + (f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else "")
