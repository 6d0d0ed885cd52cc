"""A person's own data as samples: read twice, once for the groups, once for the pictures.

Splits follow from the seed and from group keys (RankRule): a picture's group is the one it is given, else the digest of
its bytes, so that copies stay together. Nothing goes in silence: a record that can be no sample is a Reject, a picture
without words comes in, and validation sets it aside; what belongs to no record is counted in describe()'s `without`.
Memory: one picture, and some hundred bytes for each record's fingerprint and group.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from components.contracts.errors import DataError
from components.contracts.progress import Progress, silent
from components.contracts.reject import Reject
from components.contracts.sample import SHORT, Media, Sample, Text
from components.data.language import UNKNOWN, fits_script
from components.data.sources.files import PICTURES
from components.data.sources.record import Record, Records, concept_of, fingerprint_of, group_of, key_of
from components.data.splits import RankRule

MAKER = "own"
LEAST = 2  # pictures of each split: with one, every guess is right
EXAMPLES = 3
_NAMED = 3  # names shown of what was left out
_MEANT = {
    "train": "pictures that are trained on",
    "val": "held-out pictures, used to choose",
    "pair": "held-out pictures, only ever tested on",
}
_NEVER = {
    "designer": "own data does not say who made what, so no maker can be held out",
    "concept": "own data does not say which pictures show the same thing, so no thing can be held out",
    "both": "own data does not say which pictures show the same thing, so no thing can be held out",
}


@dataclass(kw_only=True)
class Tally:
    """What a first reading has seen.

    Args:
        fingerprints: of each record and reject, in order.
        usable: group -> pictures with a caption.
        rejected: "name (why)" of the records that can be no sample.
        uncaptioned: names of the pictures of which nothing is said.
    """

    fingerprints: list[bytes] = field(default_factory=list)
    pictures: int = 0
    captions: int = 0
    usable: Counter[str] = field(default_factory=Counter)
    groups: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)
    languages: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    uncaptioned: list[str] = field(default_factory=list)


class OwnSamples:
    """What was found at a path, as samples and as words.

    Args:
        name: of the source.
        path: where it was found, for messages.
        records: what was found there.
        languages: codes of the languages that the texts are in, where it is known.
        licence: of pictures that do not state their own.
    """

    def __init__(self, name: str, path: Path, records: Records, languages: Sequence[str], licence: str) -> None:
        self.name, self.path, self.records, self.languages, self.licence = name, path, records, languages, licence
        self._tally: Tally | None = None

    def as_samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield a sample or a reject for each record, in the order in which they were found.

        Raises DataError when there are too few to hold some out, and when something changes while it is read.
        """
        if self.records.wordless:
            raise DataError(self.records.wordless)
        tally = self.tally(progress)
        splits, total = self.assign(seed), len(tally.fingerprints)
        done = 0
        for record in self.records.read(silent):
            if done == total or fingerprint_of(record) != tally.fingerprints[done]:
                raise self._changed(record.name if isinstance(record, Record) else record.member)
            yield record if isinstance(record, Reject) else self._sample(record, splits)
            done += 1
            progress("write pictures", done, total)
        if done != total:
            raise self._changed(f"a record after the first {done:,}")

    def unsplit(self, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield the same, but read once, with nothing held out, and however few there are or have captions.

        For a look at data before anything is made of it: every sample is of `train`.
        """
        tally = Tally()
        for record in self.records.read(progress):
            self._count(tally, record)
            yield record if isinstance(record, Reject) else self._sample(record, {})
        self._tally = tally

    def _sample(self, record: Record, splits: dict[str, str]) -> Sample:
        key, suffix = key_of(record), Path(record.name).suffix.lower()
        return Sample(
            key=key,
            split=splits.get(group_of(record), "train"),  # what is no pair is set aside, whichever it is in
            source=MAKER,
            licence=record.licence or self.licence,
            media=(Media(member=key + (suffix if suffix in PICTURES else ".bin"), data=record.data),),
            texts=self.texts(record),
            labels={"concept": concept_of(record)} | ({"category": record.label} if record.label else {}),
            flags=record.flags,
            page=record.page,
            regions=record.regions,
            span=record.span,
            name=record.name,
            series=record.group or "",
        )

    def _changed(self, what: str) -> DataError:
        return DataError(
            f"{what} changed or vanished while {self.path} was read, so what came in would be neither the old nor the new. "
            "Nothing is kept. Let whatever writes there finish, and run again."
        )

    def tally(self, progress: Progress = silent) -> Tally:
        """Return what is there; read when first asked."""
        if self._tally is None:
            tally = Tally()
            for record in self.records.read(progress):
                self._count(tally, record)
            self._tally = tally
        return self._tally

    def _count(self, tally: Tally, record: Record | Reject) -> None:
        tally.fingerprints.append(fingerprint_of(record))
        if isinstance(record, Reject):
            tally.rejected.append(f"{record.key} ({record.detail})")
            return
        tally.pictures += 1
        tally.captions += len(record.texts)
        tally.languages.update(text.lang for text in self.texts(record))
        tally.licences.add(record.licence or self.licence)
        if record.group:
            tally.groups.add(record.group)
        if record.label:
            tally.labels[record.label] += 1
        if not record.texts:
            tally.uncaptioned.append(record.name)
            return
        tally.usable[group_of(record)] += 1
        if len(tally.examples) < EXAMPLES and record.texts[0] not in tally.examples:
            tally.examples.append(record.texts[0])

    def assign(self, seed: int) -> dict[str, str]:
        """Return group -> split of the groups that are held out; all others are trained on.

        Raises DataError when a split would show nothing.
        """
        groups, rule = self.tally().usable, RankRule()
        if len(groups) >= 3:
            splits = rule.assign(seed, groups)
            sizes: Counter[str] = Counter()
            for group, pictures in groups.items():
                sizes[splits[group]] += pictures
            if all(sizes[split] >= LEAST for split in _MEANT):
                return {group: split for group, split in splits.items() if split != "train"}
        rejected = self.tally().rejected
        lost = f" What did not come in: {counted(rejected)}." if rejected else ""
        raise DataError(
            f"{self.path} has {groups.total():,} pictures with a caption in {len(groups):,} groups, too few to learn from and to "
            f"measure with: train, val and pair need {LEAST} each, and copies or pictures of one group stay together. Bring "
            f"at least {LEAST * 3} different pictures; some hundred make the numbers mean something.{lost}"
        )

    def texts(self, record: Record) -> tuple[Text, ...]:
        """Return the texts with kind and language: as stated, else the first of `languages` whose script it is in."""
        langs, kinds = (record.langs or (None,) * len(record.texts), record.kinds or (SHORT,) * len(record.texts))
        return tuple(
            Text(
                text=text,
                kind=kind,
                lang=lang or next((one for one in self.languages if fits_script(text, one)), UNKNOWN),
            )
            for text, kind, lang in zip(record.texts, kinds, langs, strict=True)
        )

    def describe(self) -> dict[str, object]:
        """Return what source.json keeps: see Source.describe, and `splits`, `without`, `counted` and `examples`."""
        tally = self.tally()
        licences = sorted(tally.licences)
        return {
            "name": self.name,
            "designers": {MAKER: ", ".join(licences)},
            "licences": licences,
            "held_out": None,
            "languages": sorted(tally.languages),
            "splits": dict(_MEANT),
            "without": _NEVER | self._no_zero_shot() | self._missed,
            "labels": dict(sorted(tally.labels.items())),
            "counted": {"pictures": tally.pictures, "captions": tally.captions, "groups": len(tally.groups)},
            "examples": tally.examples,
        }

    def _no_zero_shot(self) -> dict[str, str]:
        labels = list(self.tally().labels)
        if len(labels) > 1:
            return {}
        why = f"all labelled pictures have the label {labels[0]!r}" if labels else self.records.no_labels
        return {"zero_shot": f"{why}, so there is nothing to choose from"}

    @cached_property
    def _missed(self) -> dict[str, str]:
        """What did not come in, or cannot be used: what -> how many, and a few names."""
        tally = self.tally()
        missed = {
            "records that did not come in": tally.rejected,
            "pictures without a caption": tally.uncaptioned,
            **self.records.left_out,
        }
        return {what: counted(names) for what, names in missed.items() if names}


def counted(names: Sequence[str]) -> str:
    """Return "5: a.txt, b.txt, c.txt and 2 more"."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,}: {', '.join(names[:_NAMED])}{more}"
