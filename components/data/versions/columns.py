"""Which columns of two manifests can be compared, and what a difference in each is called.

A manifest of another version may lack a column, have one more, or keep one as another type: what both have is compared, and
the rest is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

PICTURE, ENCODING, MOVED = "picture", "encoding", "moved"
_CALLED = {"texts": "caption", "labels": "labels", "sha256": PICTURE, "pixel_sha256": PICTURE}
PLACES = ("shard", "offset")  # where a sample lies, which is nothing of its own
_FOLLOWS = ("size_bytes", "width", "height")  # from the bytes, which are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What is compared.

    Args:
        both: columns of the manifest that both sides have, as the type to read them in.
        unlike: column -> why it is not compared.
    """

    both: Mapping[str, pa.DataType]
    unlike: Mapping[str, str]

    @property
    def said(self) -> tuple[str, ...]:
        """Return the columns of which a difference is a change of the sample, besides its picture."""
        return tuple(name for name in self.both if name not in ("key", "sha256", "pixel_sha256", *PLACES))


def columns_of(before: pa.Schema, after: pa.Schema) -> Columns:
    """Return what two manifests have in common. The caller has seen that both have keys."""
    both: dict[str, pa.DataType] = {}
    unlike: dict[str, str] = {}
    for name in dict.fromkeys([*before.names, *after.names]):
        if name in _FOLLOWS:
            continue
        if name not in before.names or name not in after.names:
            unlike[name] = "only the second has it" if name in after.names else "only the first has it"
            continue
        one, other = _plain(before.field(name).type), _plain(after.field(name).type)
        if one == other or name == "key":
            both[name] = one
        else:
            unlike[name] = f"{one} in the first and {other} in the second"
    return Columns(both=both, unlike=unlike)


def called(column: str) -> str:
    """Return what a difference in a column is called."""
    return _CALLED.get(column, column)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that holds the same values and that all versions of Parquet's readers agree on."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        fields = sorted((kind.field(at) for at in range(kind.num_fields)), key=lambda field: field.name)
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in fields])
    return kind
