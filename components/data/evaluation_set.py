"""Evaluation sets as CLIP_benchmark keeps them: a folder with shards of pictures, and the classes or captions to ask for.

Source: CLIP_benchmark 1.6.2, build_wds_dataset and webdataset_builder; the sets at the Hub (clip-benchmark/wds_*) lie so:
    classnames.txt                          a class a line; a picture's .cls is the number of its line, from 0
    zeroshot_classification_templates.txt   a template a line, with {c} where the class goes
    dataset_type.txt                        `retrieval` where pictures have captions in .txt, a line each, and no class
    test/nshards.txt, test/0.tar, ...       the shards of the split `test`; below wds/ too
Differs: what would move a number without a word (a label outside the list, a shard that is cut or not there, a class that no picture shows) is an
error that names it, and nothing is ever unpickled.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.contracts.errors import CapabilityError, DataError
from components.contracts.sealed import digest_of, sha256_of
from components.data.rows.lazy import LazyPictures
from components.data.selection import Pool
from components.data.sources.packed import PACKED
from components.data.sources.parts import MAX_WORDS_BYTES, PICTURE_SUFFIXES, key_and_suffix
from components.data.sources.tar import Refused, read_tar
from components.data.sources.words import UnreadableWords, decoded

CLASSES, TEMPLATES, TYPE = "classnames.txt", "zeroshot_classification_templates.txt", "dataset_type.txt"
SHARDS, NESTED = "nshards.txt", "wds"
LABEL = "class"  # what the groups of a set's pictures are called
TO_FIT = "train"  # the split that lies beside the one to test on, where a set has both
SHOWN = 5  # names in a message
_THEIR_PLACE, _OUR_PLACE = "{c}", "{}"
_NUMBERED = re.compile(r"\d+\.tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """A set, read.

    Args:
        name: of the folder, as metrics can bear it.
        split: which.
        called: class -> its name, in their order; a class is its name unless several are called so. Empty of a set for retrieval.
        templates: each with one {} for the class.
        pool: its pictures, each of which is a thing of its own; read from the shards when they are asked for.
        digest: of all its files.
        left_out: what was passed over -> how many.
    """

    name: str
    split: str
    called: Mapping[str, str]
    templates: tuple[str, ...]
    pool: Pool
    digest: str
    left_out: Mapping[str, int]

    @property
    def classes(self) -> tuple[str, ...]:
        """Return what there is to choose from."""
        return tuple(self.called)

    @property
    def namesakes(self) -> tuple[str, ...]:
        """Return the names that several classes have."""
        return tuple(name for name, times in Counter(self.called.values()).items() if times > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a picture lies: shard, and first byte and length in it."""

    shard: Path
    offset: int
    size_bytes: int


class PicturesInTars(LazyPictures):
    """Pictures that lie in tar files.

    Args:
        places: where each lies.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = tuple(places)

    def __len__(self) -> int:
        return len(self.places)

    def read(self, place: int) -> bytes:
        """Read its bytes and no others."""
        its = self.places[place]
        with its.shard.open("rb") as opened:
            opened.seek(its.offset)
            return opened.read(its.size_bytes)


@dataclass(kw_only=True)
class _Record:
    """Members of one key."""

    key: str
    picture: Place | None = None
    words: dict[str, bytes] = field(default_factory=dict)


def read_set(folder: Path, split: str = "test", namesakes: bool = False) -> EvaluationSet:
    """Return the set in a folder; its pictures are not decoded yet. Classes that are called alike are an error unless `namesakes`.

    Raises DataError for what is missing, broken or would be counted wrongly, CapabilityError for pictures of several classes each.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. Give the one that holds {CLASSES} and the shards of {split}.")
    kind = _kind(folder)
    shards = shards_of(folder, split)
    called = {} if kind == "retrieval" else read_classes(folder / CLASSES, namesakes)
    classes = tuple(called)
    templates = () if kind == "retrieval" else read_templates(folder / TEMPLATES)
    records = list(_records(shards))
    if not records:
        raise DataError(
            f"{shards[0].parent} has no picture in its {len(shards)} shards, so there is nothing to measure."
        )
    groups = _labelled(records, classes, folder) if classes else []
    captions, blank = (tuple((group,) for group in groups), 0) if classes else _captions(records)
    beside = [folder / name for name in (CLASSES, TEMPLATES, TYPE) if (folder / name).is_file()]
    keys = tuple(record.key for record in records)
    return EvaluationSet(
        name=name_of(folder), split=split, called=called, templates=templates,
        pool=Pool(
            keys=keys, pictures=PicturesInTars([record.picture for record in records if record.picture]), captions=captions,
            concepts=keys, sources=("",) * len(keys), groups=tuple({LABEL: group} for group in groups),
        ),
        digest=digest_of({path.relative_to(folder).as_posix(): sha256_of(path) for path in (*beside, *shards)}),
        left_out={"blank lines among captions": blank} if blank else {},
    )  # fmt: skip


def name_of(folder: Path) -> str:
    """Return what the set in a folder is called: as the folder, with _ for what metrics cannot bear, such as the hyphen of `wds_vtab-cifar10`."""
    return re.sub(r"\W+", "_", folder.resolve().name)


def read_to_fit(folder: Path, one: EvaluationSet, namesakes: bool = False) -> EvaluationSet | None:
    """Return the split `train` of a set's folder, for what is fitted and then tested on `one`; errors as of `read_set`.

    None where the folder has none, where that is the split to test on, and of a set for retrieval, which has no classes to fit.
    """
    has = any((holder / TO_FIT).is_dir() for holder in (folder, folder / NESTED))
    return read_set(folder, TO_FIT, namesakes) if has and one.classes and one.split != TO_FIT else None


def shards_of(folder: Path, split: str) -> list[Path]:
    """Return the shards of a split, as many as nshards.txt promises; DataError when there are others."""
    holders = [folder / split, folder / NESTED / split]
    holder = next((one for one in holders if one.is_dir()), None)
    if holder is None:
        others = sorted(
            path.name for one in (folder, folder / NESTED) if one.is_dir() for path in one.iterdir() if path.is_dir()
        )
        raise DataError(
            f"{folder} has no split {split!r}: there is no folder {holders[0]}. It has {', '.join(others) or 'no folders'}; name one with --split."
        )  # fmt: skip
    found = {path.name: path for path in holder.iterdir() if _NUMBERED.fullmatch(path.name)}
    said = holder / SHARDS
    try:
        count = int(_text(said)) if said.exists() else len(found)
    except ValueError as err:
        raise DataError(f"{said} is no number of shards. Write how many .tar files lie beside it.") from err
    wanted = [f"{number}.tar" for number in range(count)]
    missing, more = [name for name in wanted if name not in found], sorted(set(found) - set(wanted))
    if missing or more or not found:
        what = f"lacks {', '.join(missing[:SHOWN])}" if missing or not found else f"also has {', '.join(more[:SHOWN])}"
        raise DataError(
            f"{holder} should have the {count} shards 0.tar to {count - 1}.tar, as {SHARDS} says, and {what or 'has none'}. Other pictures would be "
            "measured than the set has. Fetch it again."
        )
    return [found[name] for name in wanted]


def read_classes(path: Path, namesakes: bool = False) -> dict[str, str]:
    """Return class -> its name, a line each; DataError for fewer than two, and for blank lines.

    A class is its name. A name that stands there twice is a DataError too or, with `namesakes`, several classes, told apart by their lines.
    """
    if not path.is_file():
        raise DataError(
            f"there is no {path}, which names the classes that pictures' .cls are numbers of. Put it there, a name a line; or, where pictures "
            f"have captions and no class, write `retrieval` into {path.with_name(TYPE)}."
        )
    names = [line.strip() for line in _text(path).splitlines()]
    if len(names) < 2:
        raise DataError(
            f"{path} names {len(names)} classes, so there is nothing to choose from. Write two or more, a name a line."
        )
    blank = [number for number, name in enumerate(names, 1) if not name]
    if blank:
        raise DataError(f"{path}, line {blank[0]}: the class has no name. A .cls counts lines, so write one there.")
    lines: dict[str, list[int]] = {}
    for number, name in enumerate(names, 1):
        lines.setdefault(name, []).append(number)
    twice = {name: its for name, its in lines.items() if len(its) > 1}
    if twice and not namesakes:
        name, (first, second, *_) = next(iter(twice.items()))
        raise DataError(
            f"{path}, lines {first} and {second}: two classes are called {name!r}, and no text can tell them apart. Give each a name of its own; or, where "
            "the list is meant to be so, as that of ImageNet is, have them counted as CLIP_benchmark counts them, with --namesakes."
        )
    told = [f"{name} (line {number})" if name in twice else name for number, name in enumerate(names, 1)]
    if len(set(told)) < len(told):
        raise DataError(
            f"{path} has both {next(iter(twice))!r} twice and a name like '{next(iter(twice))} (line 1)'. Rename the latter."
        )
    return dict(zip(told, names, strict=True))


def read_templates(path: Path) -> tuple[str, ...]:
    """Return templates with {} where the class goes; DataError where there are none, or a line has not one {c}."""
    if not path.is_file():
        raise DataError(
            f"there is no {path}, so nothing says how a class is asked for. Write `a photo of a {_THEIR_PLACE}.` into it, or more lines."
        )
    lines = [line.strip() for line in _text(path).splitlines()]
    kept = [line for line in lines if line]
    wrong = [
        number for number, line in enumerate(lines, 1) if line and (line.count(_THEIR_PLACE) != 1 or _OUR_PLACE in line)
    ]
    if wrong or not kept:
        where = f", line {wrong[0]}: {lines[wrong[0] - 1]!r}" if wrong else ""
        raise DataError(
            f"{path}{where} has not one {_THEIR_PLACE}, where the class goes. Write such as `a photo of a {_THEIR_PLACE}.`"
        )
    return tuple(line.replace(_THEIR_PLACE, _OUR_PLACE) for line in kept)


def _kind(folder: Path) -> str:
    path = folder / TYPE
    kind = _text(path).strip().lower() if path.is_file() else "classification"
    if kind == "multilabel":
        raise CapabilityError(
            f"{path} says multilabel: pictures of several classes each. They are not measured; give a set of one class a picture."
        )
    if kind not in ("classification", "retrieval"):
        raise DataError(
            f"{path} says {kind!r}, but it is `retrieval` or `classification`. Mend it, or take it away for the latter."
        )
    return kind


def _records(shards: Sequence[Path]) -> Iterator[_Record]:
    """Yield what lies side by side under one key, with a picture; DataError for a shard that is broken, and a key that is there twice."""
    seen: set[str] = set()
    for shard in shards:
        with shard.open("rb") as opened:
            if opened.read(4).startswith(PACKED):
                raise DataError(f"{shard} is packed, and pictures are read from where they lie. Unpack it.")
        record: _Record | None = None
        for member in read_tar(shard, _wanted):
            if isinstance(member, Refused):
                raise DataError(
                    f"{shard}: {member.name or 'the shard'} cannot be read ({member.reason}: {member.detail}). Without it other pictures would be "
                    "measured. Fetch it again."
                )
            key, suffix = key_and_suffix(member.name)
            if not key:
                continue
            key = f"{shard.stem}/{key}"
            if record is None or record.key != key:
                if record is not None and record.picture is not None:
                    yield record
                if key in seen:
                    raise DataError(
                        f"{shard} has members of {key!r} in two places. Write what belongs to one picture side by side, under one name."
                    )
                seen.add(key)
                record = _Record(key=key)
            if suffix in PICTURE_SUFFIXES:
                if record.picture is not None:
                    raise DataError(f"{shard} has two pictures called {key!r}. Give each a name of its own.")
                record.picture = Place(shard=shard, offset=member.offset, size_bytes=member.size_bytes)
            elif member.data is not None:
                record.words[suffix] = member.data
        if record is not None and record.picture is not None:
            yield record


def _wanted(name: str) -> int:
    return MAX_WORDS_BYTES if key_and_suffix(name)[1] in ("cls", "txt") else 0


def _labelled(records: Sequence[_Record], classes: Sequence[str], folder: Path) -> list[str]:
    """Return the class of each picture; DataError for one without a number of the list, and for a class without a picture."""
    groups, wrong = [], []
    for record in records:
        said = record.words.get("cls", b"").strip()
        number = int(said) if said.isdigit() and len(said) < 8 else -1
        if 0 <= number < len(classes):
            groups.append(classes[number])
        else:
            wrong.append(f"{record.key} ({said[:20].decode('utf-8', 'replace') or 'no .cls'})")
    if wrong:
        raise DataError(
            f"{len(wrong):,} of {len(records):,} pictures of {folder} have no .cls from 0 to {len(classes) - 1}, the lines of {CLASSES}: "
            f"{', '.join(wrong[:SHOWN])}. Their class is not among those to choose from. Give the list that the shards were written with."
        )
    shown = set(groups)
    absent = [name for name in classes if name not in shown]
    if absent:
        raise DataError(
            f"{len(absent):,} of {len(classes):,} classes of {folder / CLASSES} have no picture: {', '.join(absent[:SHOWN])}. Their recall would be a number "
            "of nothing. Fetch all shards, or take them from the list, and write the shards' .cls anew."
        )
    return groups


def _captions(records: Sequence[_Record]) -> tuple[tuple[tuple[str, ...], ...], int]:
    """Return the captions of each picture, and how many lines were blank; DataError for a picture without any."""
    captions, wrong, blank = [], [], 0
    for record in records:
        try:
            lines = [line.strip() for line in decoded(record.words.get("txt", b"")).splitlines()]
        except UnreadableWords as err:
            raise DataError(f"{record.key}.txt cannot be read: {err}. Write it as UTF-8.") from err
        captions.append(tuple(line for line in lines if line))
        blank += sum(not line for line in lines)
        if not captions[-1]:
            wrong.append(record.key)
    if wrong:
        raise DataError(
            f"{len(wrong):,} of {len(records):,} pictures have no caption in .txt: {', '.join(wrong[:SHOWN])}. As queries they would have no right answer. "
            "Write one, or take the picture out."
        )
    return tuple(captions), blank


def _text(path: Path) -> str:
    try:
        return decoded(path.read_bytes())
    except UnreadableWords as err:
        raise DataError(f"{path} cannot be read: {err}. Write it as UTF-8.") from err
