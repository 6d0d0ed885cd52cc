"""Rows of a table as JSON, a million of them at once: the very characters that json.dumps gives for each row's dict.

Only for columns of strings, whole numbers, and lists and structs of them. Keys are sorted, as with `sort_keys=True`, and
letters stand as they are, as with `ensure_ascii=False`.
"""

import json

import pyarrow as pa
import pyarrow.compute as pc

_ESCAPED = r'[\x00-\x1f"\\]'  # what JSON writes otherwise than it is


def json_rows(batch: pa.RecordBatch) -> pa.StringArray:
    """Return one JSON object a row. TypeError for a column of another type."""
    return _object({name: batch.column(name) for name in batch.schema.names}, len(batch))


def _object(fields: dict[str, pa.Array], rows: int) -> pa.StringArray:
    if not fields:
        return pa.array(["{}"] * rows, pa.string())
    parts: list[pa.Array | pa.Scalar] = []
    for place, name in enumerate(sorted(fields)):
        parts += [pa.scalar(f"{', ' if place else '{'}{json.dumps(name, ensure_ascii=False)}: "), _value(fields[name])]
    return pc.binary_join_element_wise(*parts, pa.scalar("}"), pa.scalar(""))


def _value(values: pa.Array) -> pa.StringArray:
    """Return each value as JSON, `null` where there is none."""
    kind = values.type
    if pa.types.is_string(kind):
        said = _string(values)
    elif pa.types.is_integer(kind):
        said = values.cast(pa.string())
    elif pa.types.is_struct(kind):
        said = _object({kind.field(at).name: pc.struct_field(values, at) for at in range(kind.num_fields)}, len(values))
        said = pc.if_else(
            values.is_valid(), said, pa.scalar("null", pa.string())
        )  # of a module it would bring pandas wherever that is imported
    elif pa.types.is_list(kind):
        said = _list(values)
    else:
        raise TypeError(f"a column of type {kind} has no JSON here; add it to {__name__}, with a test.")
    return said.fill_null("null")


def _list(values: pa.ListArray) -> pa.StringArray:
    """Return a JSON array for each list; a null of the lists stays one."""
    whole = pa.ListArray.from_arrays(_offsets(values), _value(values.flatten()))
    said = pc.binary_join_element_wise(pa.scalar("["), pc.binary_join(whole, ", "), pa.scalar("]"), pa.scalar(""))
    return pc.if_else(values.is_valid(), said, pa.scalar(None, pa.string()))


def _offsets(values: pa.ListArray) -> pa.Int32Array:
    """Return where each list begins in what `flatten` gives, and the end."""
    lengths = pc.list_value_length(values).fill_null(0)
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])


def _string(values: pa.StringArray) -> pa.StringArray:
    quoted = pc.binary_join_element_wise(pa.scalar('"'), values, pa.scalar('"'), pa.scalar(""))
    odd = pc.match_substring_regex(values, _ESCAPED).fill_null(False)
    if not pc.any(odd).as_py():
        return quoted
    said = pa.array([json.dumps(text, ensure_ascii=False) for text in values.filter(odd).to_pylist()], pa.string())
    return pc.replace_with_mask(quoted, odd, said)
