"""A record of a person's own data: one picture's bytes and what is said of it, before it has a split."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Page, Region, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One picture as it was found.

    Args:
        name: as its owner knows it: the path below the folder, the table's cell, or shard and member.
        data: encoded bytes, at least one.
        texts: what is said of it, each once; may be none.
        langs: ISO 639-1 code of each text, as the data has it; None where it has none.
        kinds: of each text, as of Text; none where all are SHORT.
        label: what kind of thing it is.
        group: records of one group stay in one split.
        licence: SPDX identifier.
        key: its own name for it, in place of one made from `name`.
        flags: as of Sample.
        page, regions, span: as of Sample.
    """

    name: str
    data: bytes = field(repr=False)
    texts: tuple[str, ...] = ()
    langs: tuple[str | None, ...] = ()
    kinds: tuple[str, ...] = ()
    label: str | None = None
    group: str | None = None
    licence: str | None = None
    key: str | None = None
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    page: Page | None = None
    regions: tuple[Region, ...] = ()
    span: Span | None = None


class Records(Protocol):
    """What lies at a path; read twice, since splits are known only once all groups are.

    `left_out` says, after a reading, what belongs to no record -> its names, `no_labels` why no record has a label, and
    `wordless` why nothing can be learned where it is known beforehand that no record has a caption, and how to mend it.
    """

    @property
    def wordless(self) -> str:
        """What to say of records that all lack captions; empty where one has some, or nobody knows before they are read."""
        return ""

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record -> its names; of the last reading."""

    @property
    def no_labels(self) -> str:
        """Why no record has a label, where none has."""

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield every record once, the same in the same order at each reading; holds one picture at a time."""
        ...

    def forget(self) -> None:
        """Remove from this disk what was fetched to be read; read again, it is fetched again."""
        ...


def key_of(record: Record) -> str:
    """Return a key that a shard can name: the owner's where it can be one, else made from the record's name."""
    return key_from(record.name, record.key)


def key_from(name: str, key: str | None = None) -> str:
    """Return `key` where a shard can name it, else a name made of it, or of `name`, that no other has."""
    if key and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", key):
        return key
    slug = re.sub(r"[^A-Za-z0-9]+", "-", key or str(PurePosixPath(name).with_suffix(""))).strip("-")
    return f"{slug[-60:].strip('-') or 'picture'}-{hashlib.sha256((key or name).encode()).hexdigest()[:8]}"


def group_of(record: Record) -> str:
    """Return what decides the split: the group that was given, else the digest of the picture's bytes."""
    return f"group {record.group}" if record.group else f"file {hashlib.sha256(record.data).hexdigest()}"


def concept_of(record: Record) -> str:
    """Return what a picture shows, as far as words tell: pictures of which the very same is said show the same."""
    return " | ".join(sorted({text.casefold() for text in record.texts})) or record.name


def fingerprint_of(record: Record | Reject) -> bytes:
    """Return 16 bytes that differ when anything of a record does, so that a change between two readings is seen."""
    said = repr(record) + (hashlib.sha256(record.data).hexdigest() if isinstance(record, Record) else "")
    return hashlib.sha256(said.encode("utf-8", "backslashreplace")).digest()[:16]
