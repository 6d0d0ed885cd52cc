"""A person's own pictures: what a folder and a table share, and which of the two a path is.

Splits follow from the seed and from group keys (RankRule): a picture's group is the one it is given, else the digest of
its file, so that copies stay together. Nothing goes in silence: a record without a picture's bytes is a Reject, a picture
without words comes in, and validation sets it aside; files that belong to no record are counted in describe()'s `without`.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DataError
from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import Media, Sample, Text
from components.data.language import UNKNOWN, fits_script
from components.data.sources.columns import recognise
from components.data.sources.files import NO_FILES, UNREADABLE_FOLDERS, bytes_of, files_below
from components.data.sources.rows import TABLES, column_names, is_table
from components.data.splits import RankRule

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TABLE_NAMES = ("captions", "metadata")  # of a table that is found in a folder without being told
NOT_STATED = "NOASSERTION"  # SPDX's word for a licence that nobody has stated
MAKER = "own"
LEAST = 2  # pictures of each split: with one, every guess is right
EXAMPLES = 3
_NAMED = 3  # names shown of what was left out
_MEANT = {
    "train": "pictures that are trained on",
    "val": "held-out pictures, used to choose",
    "pair": "held-out pictures, only ever tested on",
}
_DESIGNERS = "own data does not say who made what, so no maker can be held out"
_CONCEPTS = "own data does not say which pictures show the same thing, so no thing can be held out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One picture as it was found.

    Args:
        name: as its owner knows it: the path below the folder, or the table's cell.
        path: where its bytes are; None when there is no such file.
        texts: what is said of it, each once; may be none.
        langs: ISO 639-1 code of each text, as the table has it; None where it has none.
        label: what kind of thing it is.
        group: pictures of one group stay in one split.
        licence: SPDX identifier.
        key: its own name for it, in place of one made from `name`.
    """

    name: str
    path: Path | None
    texts: tuple[str, ...] = ()
    langs: tuple[str | None, ...] = ()
    label: str | None = None
    group: str | None = None
    licence: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a folder or a table holds.

    Args:
        pictures: in their order.
        rejects: records that can be no sample, known before a picture is read.
        left_out: what belongs to no record -> its names, such as `texts without a picture`.
        no_labels: why there are no labels, where there are none.
    """

    pictures: tuple[Own, ...]
    rejects: tuple[Reject, ...] = ()
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    no_labels: str = "no picture has a label"


class OwnPictures:
    """What was found, as samples and as words.

    Args:
        name: of the source.
        path: where it was found, for messages.
        found: what was found there.
        languages: codes of the languages that the texts are in, where it is known.
        licence: of pictures that do not state their own.
    """

    def __init__(self, name: str, path: Path, found: Found, languages: Sequence[str], licence: str) -> None:
        self.name, self.path, self.found, self.languages, self.licence = name, path, found, languages, licence
        self._digests: list[str | None] | None = None
        self._unread: list[Reject] = []

    def as_samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield a sample a picture, in the order in which they were found, after the records that can be none.

        Raises DataError when there are too few to hold some out, and when a file changes while it is read.
        """
        digests, pictures = self.digests(progress), self.found.pictures
        splits = self.assign(seed)
        yield from (*self.found.rejects, *self._unread)
        for place, (own, digest) in enumerate(zip(pictures, digests, strict=True)):
            if digest is None:
                progress("write pictures", place + 1, len(pictures))
                continue
            data = self._again(own, digest)
            key = key_of(own)
            suffix = Path(own.name).suffix.lower()
            yield Sample(
                key=key,
                split=splits.get(group_of(own, digest), "train"),  # what is no pair is set aside, whichever it is in
                source=MAKER,
                licence=own.licence or self.licence,
                media=(Media(member=key + (suffix if suffix in PICTURES else ".bin"), data=data),),
                texts=self.texts(own),
                labels={"concept": concept_of(own)} | ({"category": own.label} if own.label else {}),
            )
            progress("write pictures", place + 1, len(pictures))

    def digests(self, progress: Progress = silent) -> list[str | None]:
        """Return the sha256 of each picture's file, None where it cannot be read; every file is read once."""
        if self._digests is None:
            digests: list[str | None] = []
            for own in self.found.pictures:
                data = bytes_of(own.path) if own.path is not None else "there is no such file"
                if isinstance(data, bytes) and data:
                    digests.append(hashlib.sha256(data).hexdigest())
                else:
                    digests.append(None)
                    reason, detail = (
                        ("no_picture", data) if isinstance(data, str) else ("zero_bytes", "the file is empty")
                    )
                    self._unread.append(Reject(key=own.key or own.name, member=own.name, reason=reason, detail=detail))
                progress("read pictures", len(digests), len(self.found.pictures))
            self._digests = digests
        return self._digests

    def assign(self, seed: int) -> dict[str, str]:
        """Return group -> split over the pictures that can be used. DataError when a split would show nothing."""
        usable = [
            group_of(own, digest)
            for own, digest in zip(self.found.pictures, self.digests(), strict=True)
            if digest is not None and own.texts
        ]
        groups, rule = set(usable), RankRule()
        if len(groups) >= 3:
            splits = rule.assign(seed, groups)
            sizes = Counter(splits[group] for group in usable)
            if all(sizes[split] >= LEAST for split in _MEANT):
                return splits
        raise DataError(
            f"{self.path} has {len(usable):,} pictures with a caption in {len(groups):,} groups, too few to learn from and to "
            f"measure with: train, val and pair need {LEAST} each, and copies or pictures of one group stay together. Bring "
            f"at least {LEAST * 3} different pictures; some hundred make the numbers mean something."
        )

    def texts(self, own: Own) -> tuple[Text, ...]:
        """Return the texts with their languages: as stated, else the first of `languages` whose script it is in."""
        langs = own.langs or (None,) * len(own.texts)
        return tuple(
            Text(text=text, lang=lang or next((one for one in self.languages if fits_script(text, one)), UNKNOWN))
            for text, lang in zip(own.texts, langs, strict=True)
        )

    def _again(self, own: Own, digest: str) -> bytes:
        assert own.path is not None
        data = bytes_of(own.path)
        if isinstance(data, bytes) and hashlib.sha256(data).hexdigest() == digest:
            return data
        raise DataError(
            f"{own.path} changed or vanished while {self.path} was read, so what came in would be neither the old nor the new. "
            "Nothing is kept. Let whatever writes there finish, and run again."
        )

    def describe(self) -> dict[str, object]:
        """Return what source.json keeps: see Source.describe, and `splits`, `without`, `counted` and `examples`."""
        pictures, never = self.found.pictures, {"designer": _DESIGNERS, "concept": _CONCEPTS, "both": _CONCEPTS}
        licences = sorted({own.licence or self.licence for own in pictures})
        return {
            "name": self.name,
            "designers": {MAKER: ", ".join(licences)},
            "licences": licences,
            "held_out": None,
            "languages": sorted({text.lang for own in pictures for text in self.texts(own)}),
            "splits": dict(_MEANT),
            "without": never | self._no_zero_shot() | self._missed,
            "labels": dict(sorted(Counter(own.label for own in pictures if own.label).items())),
            "counted": {
                "pictures": len(pictures),
                "captions": sum(len(own.texts) for own in pictures),
                "groups": len({own.group for own in pictures if own.group}),
            },
            "examples": list(dict.fromkeys(own.texts[0] for own in pictures if own.texts))[:EXAMPLES],
        }

    def _no_zero_shot(self) -> dict[str, str]:
        labels = {own.label for own in self.found.pictures if own.label}
        if len(labels) > 1:
            return {}
        why = f"all labelled pictures have the label {labels.pop()!r}" if labels else self.found.no_labels
        return {"zero_shot": f"{why}, so there is nothing to choose from"}

    @cached_property
    def _missed(self) -> dict[str, str]:
        """What came in and cannot be used, or did not come in: what -> how many, and a few names."""
        self.digests()
        missed = {
            "pictures that cannot be read": [f"{one.member} ({one.detail})" for one in self._unread],
            "pictures without a caption": [own.name for own in self.found.pictures if not own.texts],
            **self.found.left_out,
        }
        return {what: counted(names) for what, names in missed.items() if names}


def counted(names: Sequence[str]) -> str:
    """Return "5: a.txt, b.txt, c.txt and 2 more"."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,}: {', '.join(names[:_NAMED])}{more}"


def group_of(own: Own, digest: str | None) -> str:
    """Return what decides the split: the group that was given, else the digest of the file."""
    return f"group {own.group}" if own.group else f"file {digest}"


def concept_of(own: Own) -> str:
    """Return what a picture shows, as far as words tell: pictures of which the very same is said show the same."""
    return " | ".join(sorted({text.casefold() for text in own.texts})) or own.name


def key_of(own: Own) -> str:
    """Return a key that a shard can name: the owner's where it can be one, else made from the picture's name."""
    if own.key and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", own.key):
        return own.key
    name = own.key or own.name
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name if own.key else str(Path(name).with_suffix(""))).strip("-")
    return f"{slug[-60:].strip('-') or 'picture'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def existing(path: str, what: str) -> Path:
    """Return the path. ConfigError when source.path is no text, DataError when nothing is there."""
    if not isinstance(path, str) or not path:
        raise ConfigError(f"source.path is {path!r}. Give the path of {what}.")
    if not Path(path).exists():
        raise DataError(
            f"{path} does not exist. Give source.path in params.yaml, or `diptych run --data`, the path of {what}."
        )
    return Path(path)


def checked_languages(languages: Sequence[str] | None) -> tuple[str, ...]:
    """Return `source.languages`; ConfigError unless it is a list of different codes."""
    if languages is None:
        return ()
    codes = [] if isinstance(languages, str) else list(languages)
    if not codes or len(set(codes)) != len(codes) or not all(isinstance(one, str) and one.isalpha() for one in codes):
        raise ConfigError(f"source.languages is {languages!r}. Give a list of different codes, such as [en, de].")
    return tuple(codes)


def table_in(folder: Path) -> Path | None:
    """Return the table that a folder is described by, if it has one. DataError when it has several."""
    tables = [folder / (name + suffix) for name in TABLE_NAMES for suffix in TABLES]
    there = [path for path in tables if path.is_file()]
    if len(there) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in there)}, and both could be meant. Name one: "
            f"`diptych run --data {there[0]}`."
        )
    return there[0] if there else None


def describe_path(path: Path) -> dict[str, Any]:
    """Return params.yaml's `source:` for what lies at a path: a folder, a folder with a table, or a table.

    The path is relative where it lies in the folder we stand in. A table that has its pictures around it is named by its
    folder, so that DVC sees a picture change too; one in a folder with much else by itself.
    Raises DataError or ConfigError, saying what to write, when it is none of these, or its columns are not recognised.
    """
    where = existing(str(path), "a folder of pictures, or of a table with their captions")
    table = table_in(where) if where.is_dir() else where
    if where.is_dir():
        _check_watchable(where)
    if table is None:
        return {"name": "folder", "path": _shown(where)}
    if not is_table(table):
        raise DataError(
            f"{path} is neither a folder nor a table ({', '.join(TABLES)}). Give the folder that holds your pictures, or a "
            "table with a row a picture, such as captions.csv with the columns image,caption."
        )
    columns = recognise(column_names(table), {}, table.name)
    if where.is_dir():
        return {"name": "table", "path": _shown(where), "columns": columns}
    if _stands_alone(table.resolve().parent):
        return {"name": "table", "path": _shown(table), "columns": columns}
    return {"name": "table", "path": _shown(table.parent), "table": table.name, "columns": columns}


def _check_watchable(folder: Path) -> None:
    """Raise DataError for what stops DVC, which takes the digest of every file in the folder."""
    files, passed = files_below(folder)
    stopping = {
        NO_FILES: passed.get(NO_FILES, []),
        UNREADABLE_FOLDERS: passed.get(UNREADABLE_FOLDERS, []),
        "files that cannot be read": [name for name, path in files if not os.access(path, os.R_OK)],
    }
    for what, names in stopping.items():
        if names:
            raise DataError(
                f"{folder} has {what} ({counted(names)}), and DVC, which keeps watch over the folder, stops at these. Take "
                "them out of it, or make them readable."
            )


def _stands_alone(folder: Path) -> bool:
    """Return whether a table's folder is too much to watch: ours, the home, one above them, or mostly other files."""
    if any(inside.is_relative_to(folder) for inside in (Path.cwd().resolve(), Path.home())):
        return True
    files, _ = files_below(folder)
    others = sum(Path(name).suffix.lower() not in PICTURES for name, _ in files)
    return others > max(10, len(files) // 2)


def _shown(path: Path) -> str:
    whole, here = path.resolve(), Path.cwd().resolve()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)
