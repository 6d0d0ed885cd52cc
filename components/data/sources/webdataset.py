"""Shards in WebDataset's layout, as img2dataset, open_clip and DataComp write and read them: a tar a shard.

Members of one name up to the first dot, side by side, are a record: a picture (.jpg, .png, .webp ...), and what is said of it
in .txt (one caption), .json (as beside a picture in a folder; img2dataset's `caption` among it) and .cls (its label).
Differs from the webdataset package: no member is ever unpickled, a tar that is cut, damaged or no tar at all is a Reject
and not the end of the work or an endless loop, and a record that is not whole is counted and not passed over.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import DataError
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import SHORT
from components.data.sources.by_shard import ShardEnds, by_shard
from components.data.sources.caption_kinds import joined
from components.data.sources.files import DOCUMENTS, bytes_of, files_below
from components.data.sources.own_source import OwnSource
from components.data.sources.parts import PICKLED, PICTURE_SUFFIXES, Parts, bytes_wanted, key_and_suffix
from components.data.sources.place import OTHERS
from components.data.sources.record import Record
from components.data.sources.rows import texts_of
from components.data.sources.settings import NOT_STATED
from components.data.sources.tar import Member, Refused, read_tar
from components.data.sources.words import UnreadableWords, decoded, flags_of, json_words, langs_of

SHARD = ".tar"
SHARDS = (SHARD, ".tar.gz", ".tgz", ".tar.zst")
CLASS_NAMES = "classnames.txt"  # beside the shards, a name a line, where .cls holds numbers


class WebDatasetSource(OwnSource):
    """Pictures with their words in a folder of .tar shards, at any depth, or in one of them; here or elsewhere.

    Args:
        path: the folder, or the shard.
        url: in its place, where the shards lie: s3://bucket/folder, URLs of shards over http or s3, or a list of such;
            `{000..009}` in one counts.
        version: of what lies there, as source.json and `diptych run --data` say it; what is another one is refused.
        allow_hosts: hosts of this network that may be asked, as host:port.
        languages: codes of the languages that captions are in, such as [en, de]; without, a caption's is not stated.
        licence: SPDX identifier of the pictures whose .json states none.
    """

    name, what, suffixes = "webdataset", f"a folder with {SHARD} shards, or of one", SHARDS

    def __init__(
        self,
        path: str = "data/own",
        url: str | Sequence[str] | None = None,
        version: str | None = None,
        allow_hosts: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
        licence: str = NOT_STATED,
    ) -> None:
        super().__init__(path, url, version, allow_hosts, languages, licence)

    def wants(self, name: str) -> bool:
        """Return whether a file is a shard, or has the names of classes."""
        return is_shard(name) or name == CLASS_NAMES

    def find(self, here: Path) -> "Shards":
        """Return the records of shards."""
        return Shards(here)


class Shards:
    """The records of shards; DataError when there are none.

    Args:
        path: the folder, or the one shard.
    """

    wordless = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        files: list[tuple[str, Path]] = [(path.name, path)]
        self._passed: dict[str, list[str]] = {}
        if path.is_dir():
            files, self._passed = files_below(path)
        self.shards = [(name, file) for name, file in files if is_shard(name)]
        if not self.shards:
            raise DataError(
                f"{path} holds no shard ({', '.join(SHARDS)}). Give the folder that img2dataset or another tool wrote them to."
            )
        self._stems = stems_of([name for name, _ in self.shards])
        self.class_names = read_class_names(dict(files).get(CLASS_NAMES))
        others = [name for name, _ in files if not is_shard(name) and name != CLASS_NAMES]
        self._passed.setdefault(OTHERS, []).extend(others)
        self._begin()

    def _begin(self) -> None:
        self._other_kinds, self._unread_keys = Counter[str](), dict[str, None]()
        self._nameless: list[str] = []
        self._numbers: dict[str, None] = {}

    @property
    def no_labels(self) -> str:
        """Why no record has a label."""
        if self._numbers:
            return f"the .cls of the shards are numbers, and {CLASS_NAMES} beside the shards does not say what they are called"
        return "no record has a .cls, and no .json states a label"

    @property
    def left_out(self) -> Mapping[str, Sequence[str]]:
        """What belongs to no record -> its names, of the last reading."""
        return {
            **self._passed,
            "kinds of members that nothing reads": [
                f".{kind} ({n:,})" for kind, n in sorted(self._other_kinds.items())
            ],
            "members that are hidden, documents, or without a suffix": self._nameless,
            "keys that nothing reads": sorted(self._unread_keys),
            f"numbers in .cls that {CLASS_NAMES} does not name": sorted(self._numbers),
        }

    def read(self, progress: Progress) -> Iterator[Record | Reject]:
        """Yield the records of each shard, in the order of their names; of one that gives none, a Reject for all of it."""
        self._begin()
        return by_shard(self.shards, self._records, progress)

    def forget(self) -> None:
        """Shards hold their pictures; nothing was fetched to read them."""

    def _records(self, shard: str, path: Path) -> Iterator[Record | Reject]:
        """Yield a shard's records and rejects. Raises ShardEnds where it is no tar, cut or damaged."""
        group: Parts | None = None
        seen: dict[str, frozenset[str]] = {}
        for member in read_tar(path, bytes_wanted):
            key, suffix = key_and_suffix(member.name)
            if isinstance(member, Refused) and member.reason in ("all_bad_shard", "shard_truncated"):
                if group is not None:
                    if group.key == key:
                        group.fault = (member.name, member.reason, member.detail)
                    yield self._finished(shard, group, seen)
                raise ShardEnds(member.detail)
            if isinstance(member, Member) and PurePosixPath(key).name.casefold() in ("", *DOCUMENTS):
                self._nameless.append(member.name)
                continue
            if group is None or group.key != key or not key:
                if group is not None:
                    yield self._finished(shard, group, seen)
                group = Parts(key=key or member.name)
            if isinstance(member, Member) and member.data is None and suffix.rpartition(".")[2] not in PICKLED:
                self._other_kinds[suffix.rpartition(".")[2]] += 1
            group.add(suffix, member)
        if group is not None:
            yield self._finished(shard, group, seen)

    def _finished(self, shard: str, group: Parts, seen: dict[str, frozenset[str]]) -> Record | Reject:
        before = seen.get(group.key)
        seen[group.key] = frozenset(group.held) | (before or frozenset())
        suffix = next((one for one in group.held if one in PICTURE_SUFFIXES), None)
        member = f"{group.key}.{suffix}" if suffix else group.key
        fault = group.fault
        if fault is None and before is not None:
            apart = before.isdisjoint(group.held)
            fault = (member, *(_APART if apart else _TWICE))
        elif fault is None and suffix is None:
            there = ", ".join(f".{one}" for one in group.held) or "members that nothing reads"
            fault = (member, "no_picture", f"its key has no picture beside it, only {there}")
        elif fault is None and suffix is not None and not group.held[suffix]:
            fault = (member, "zero_bytes", "the member is empty")
        if fault is None and suffix is not None:
            try:
                return self._record(shard, group, suffix)
            except UnreadableWords as err:
                fault = (member, err.reason, str(err))
        assert fault is not None
        return Reject(key=f"{shard}/{group.key}", member=f"{shard}/{fault[0]}", reason=fault[1], detail=fault[2])

    def _record(self, shard: str, group: Parts, suffix: str) -> Record:
        """Return the record of a group with a picture. Raises UnreadableWords."""
        words: dict[str, Any] = json_words(group.held["json"]) if "json" in group.held else {}
        self._unread_keys.update(dict.fromkeys(words.get("unknown", ())))
        written = texts_of(decoded(group.held["txt"])) if "txt" in group.held else ()
        captions = joined(dict.fromkeys(written, SHORT), words.get("captions", {}))
        label = self._label(decoded(group.held["cls"]).strip()) if "cls" in group.held else None
        return Record(
            name=f"{self._stems[shard]}/{group.key}.{suffix}", data=group.held[suffix], texts=tuple(captions),
            kinds=tuple(captions.values()), langs=langs_of(words, captions), label=label or words.get("label"), group=words.get("group"),
            licence=words.get("licence"), flags=flags_of(words),
        )  # fmt: skip

    def _label(self, said: str) -> str | None:
        if not said.isdecimal():
            return next(iter(texts_of(said)), None)
        if len(said) < 7 and int(said) < len(self.class_names) and self.class_names[int(said)]:
            return self.class_names[int(said)]
        self._numbers[said[:20]] = None
        return None


_APART = ("split_key", "other members of this key came earlier in the shard, with others in between")
_TWICE = ("duplicate_key", "a record of this key came earlier in the shard")


def is_shard(name: str) -> bool:
    """Return whether a file is called as shards are."""
    return name.lower().endswith(SHARDS)


def stems_of(names: Sequence[str]) -> dict[str, str]:
    """Return shard -> what its records are called after: its name without the suffix, unless another's would be the same."""
    stems = {name: next(name[: -len(one)] for one in SHARDS if name.lower().endswith(one)) for name in names}
    times = Counter(stems.values())
    return {name: stem if times[stem] == 1 else name for name, stem in stems.items()}


def read_class_names(path: Path | None) -> list[str]:
    """Return the names in a file with one a line, none without a file; DataError when it cannot be read."""
    if path is None:
        return []
    data = bytes_of(path)
    try:
        why = data if isinstance(data, str) else ""
        names = [line.strip() for line in decoded(data).splitlines()] if isinstance(data, bytes) else []
    except UnreadableWords as err:
        why = str(err)
    if why:
        raise DataError(
            f"{path} cannot be read ({why}), so labels would go without a name. Write it as UTF-8, a name a line."
        )
    return names
