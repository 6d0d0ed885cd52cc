"""Pictures that lie in files, as a folder or a table names them: read one at a time, when they are asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Region
from components.data.sources.fetched import Fetched
from components.data.sources.files import bytes_of
from components.data.sources.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One picture's file, and what is said of it; fields as of Record.

    Args:
        path: where its bytes are; None when there is no such file.
    """

    name: str
    path: Path | None
    texts: tuple[str, ...] = ()
    langs: tuple[str | None, ...] = ()
    kinds: tuple[str, ...] = ()
    label: str | None = None
    group: str | None = None
    licence: str | None = None
    key: str | None = None
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()

    def read(self) -> Record | Reject:
        """Return it with its bytes, or why there are none."""
        data = bytes_of(self.path) if self.path is not None else "there is no such file"
        if not data or isinstance(data, str):
            reason, why = ("no_picture", data) if isinstance(data, str) else ("zero_bytes", "the file is empty")
            return Reject(key=self.key or self.name, member=self.name, reason=reason, detail=why or "it cannot be read")
        return Record(
            name=self.name, data=data, texts=self.texts, langs=self.langs, kinds=self.kinds, label=self.label,
            group=self.group, licence=self.licence, key=self.key, flags=self.flags, regions=self.regions,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder or a table holds, as Records.

    Args:
        pictures: in their order.
        rejects: records that can be no sample, known before a picture is read.
        left_out: what belongs to no record -> its names, such as `texts without a picture`.
        no_labels: why there are no labels, where there are none.
        wordless: as of Records.
        fetched: brings the pictures that lie elsewhere; None where all lie here.
    """

    pictures: tuple[Own, ...]
    rejects: tuple[Reject, ...] = ()
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    no_labels: str = "no picture has a label"
    wordless: str = ""
    fetched: Fetched | None = None

    def forget(self) -> None:
        """Remove from this disk what was fetched."""
        if self.fetched is not None:
            self.fetched.forget()

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield the rejects, then each picture; what lies elsewhere is fetched first, once."""
        failed = self.fetched.failures(progress) if self.fetched is not None else {}
        yield from self.rejects
        for place, own in enumerate(self.pictures):
            yield failed.get(own.name) or own.read()
            progress("read pictures", place + 1, len(self.pictures))
