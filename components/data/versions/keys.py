"""The samples that a person names by their keys: those there are, and of the others the nearest names."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.errors import ConfigError, DataError

_MOST_COMPARED = 20_000  # names that an unknown one is compared with
_NAMED = 5


def read_keys(path: Path) -> list[str]:
    """Return the keys of a text file, a line each; what follows # is a remark. ConfigError when it has none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(
            f"{path} cannot be read as a list of keys ({err}). Give a text file with a key a line."
        ) from err
    keys = [said for line in lines if (said := line.partition("#")[0].strip())]
    if not keys:
        raise ConfigError(f"{path} names no key. Give a text file with a key a line.")
    return keys


def split_known(keys: Sequence[str], manifest: pa.Table) -> tuple[list[str], list[str]]:
    """Return the keys that the manifest has and those that it has not, each once, in their order."""
    named = pa.array(dict.fromkeys(keys), pa.string())
    there = pc.is_in(named, value_set=manifest["key"].combine_chunks())
    return named.filter(there).to_pylist(), named.filter(pc.invert(there)).to_pylist()


def unknown_keys(unknown: Sequence[str], manifest: pa.Table, where: str, otherwise: str) -> DataError:
    """Return the error for keys that nobody has, with the nearest ones; `otherwise` says how to go on without them."""
    said = [f"{key!r}{_near(key, manifest)}" for key in unknown[:_NAMED]]
    more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
    return DataError(f"{where} has no sample {', '.join(said)}{more}. Nothing was done. {otherwise}")


def _near(key: str, manifest: pa.Table) -> str:
    known = manifest["key"]
    length = pc.utf8_length(known)
    alike = known.filter(pc.and_(pc.greater_equal(length, len(key) - 2), pc.less_equal(length, len(key) + 2)))
    if len(alike) > _MOST_COMPARED:  # a typing error seldom is in the first letters
        alike = alike.filter(pc.starts_with(alike, key[: max(1, len(key) // 2)])).slice(0, _MOST_COMPARED)
    near = get_close_matches(key, alike.to_pylist(), n=2, cutoff=0.6)
    return f" (nearest: {', '.join(near)})" if near else ""


def with_copies(going: pa.Table, manifest: pa.Table) -> pa.Table:
    """Return the rows of `going` and of whatever shows the same picture: the same file, or the same pixels."""
    mask = pc.is_in(manifest["key"], value_set=going["key"].combine_chunks())
    for name in ("sha256", "pixel_sha256"):
        known = going[name].drop_null().combine_chunks()
        mask = pc.or_(mask, pc.and_(pc.is_valid(manifest[name]), pc.is_in(manifest[name], value_set=known)))
    return manifest.filter(mask)
