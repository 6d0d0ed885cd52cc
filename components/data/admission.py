"""Hard gates before anything is copied: licences that are allowed, consent that is given, health data of persons; and what
nobody shall see of the rest: faces, places, personal data in captions.

A record that is refused becomes a Reject, so its picture reaches no shard. Doubt refuses: a word of consent that nobody knows
is none, and one row of a picture that says no outweighs another that says yes.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace

from components.contracts.admit import Admit
from components.contracts.errors import GateClosed
from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Media, Sample
from components.contracts.source import Source
from components.data.health import find_health
from components.data.personal import masked, plain
from components.data.redacting import Redacting
from components.data.seeing import seen_in_order
from components.data.sources.own import counted

YES = frozenset({"true", "yes", "y", "1", "1.0", "given", "granted"})
NO = frozenset({"false", "no", "n", "0", "0.0", "none"})

REFUSALS = ("licence_refused", "no_consent", "health_data")
BLURRED = "faces: pictures in which they are blurred"
REMOVED = "places: pictures from whose files they are removed"
MASKED = "personal data: pictures of whose captions they are masked"
_GONE = {"face": BLURRED, "gps": REMOVED, "pii_text": MASKED}
_LABELS = {"face": {"blurred": "face"}, "gps": {"removed": "gps"}, "pii_text": {"masked": "pii_text"}}


class Admitted:
    """A source of which only what may come in comes as a Sample; all else of it is as it was.

    Args:
        source: whose records these are.
        admit: what is asked of them.
        processes: that look for faces to blur, 0 for this one alone, which a picture may harm; no byte depends on it.
    """

    def __init__(self, source: Source, admit: Admit, processes: int = 0) -> None:
        self.source, self.admit, self.processes = source, admit, processes
        self._allowed = frozenset(one.casefold() for one in admit.licences)
        self._unsaid: set[str] = set()
        self._gone: dict[str, list[str]] = {}

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield every record once, see Source. GateClosed at the end, where admit.otherwise is close and one was refused."""
        return self.only(self.source.samples(seed, progress))

    def describe(self) -> dict[str, object]:
        """Return what the source says of itself, and what was asked of its records and done to them.

        Among its examples are none of the words of what was refused so far.
        """
        said = dict(self.source.describe())
        if "examples" in said:
            examples = [one for one in self._examples() if one not in self._unsaid]
            said["examples"] = list(map(masked, examples)) if self.admit.pii_text == "masked" else examples
        if self.admit != Admit():
            said["admit"] = asdict(self.admit) | {"licences": list(self.admit.licences)}
        if self._gone:
            without = said.get("without")
            gone = {_GONE[code]: counted(self._gone[code]) for code in _GONE if code in self._gone}
            said["without"] = {**(without if isinstance(without, dict) else {}), **gone}
        return said

    def _examples(self) -> Sequence[str]:
        listed = self.source.describe().get("examples")
        return listed if isinstance(listed, list) else ()

    def only(self, records: Iterator[Sample | Reject]) -> Iterator[Sample | Reject]:
        """Yield the records, with a Reject in place of each sample that may not come in; GateClosed as of `samples`."""
        self._unsaid, self._gone = set(), {}
        refused: Counter[str] = Counter()
        first = ""

        def judged() -> Iterator[Sample | Reject]:
            nonlocal first
            for record in records:
                why = self._refusal(record) if isinstance(record, Sample) else None
                if isinstance(record, Sample) and why is not None:
                    refused[why[0]] += 1
                    self._unsaid.update({text.text for text in record.texts} & set(self._examples()))
                    first = first or f"{record.key}: {why[1]}"
                    yield _rejected(record, *why)
                elif isinstance(record, Sample) and self.admit.pii_text == "masked":
                    yield self._masked(record)
                else:
                    yield record

        redacting = Redacting(faces=self.admit.faces == "blurred", places=self.admit.gps == "removed")
        yield from self._redacted(judged(), redacting) if redacting.faces or redacting.places else judged()
        if refused and self.admit.otherwise == "close":
            counts = ", ".join(f"{code} ({count:,})" for code, count in refused.items())
            raise GateClosed(
                f"{refused.total():,} records may not come in: {counts}; the first is {first}. No snapshot is written, since "
                "admit.otherwise is close. Take them out of the data; or write `otherwise: drop` to go on without them."
            )

    def _masked(self, sample: Sample) -> Sample:
        """Return a sample of which nothing personal is said, neither in a text, of a part of it too, nor in a label made of one."""
        texts = tuple(replace(text, text=masked(text.text)) for text in sample.texts)
        regions = tuple(replace(part, text=part.text and masked(part.text)) for part in sample.regions)
        if (texts, regions) == (sample.texts, sample.regions):
            return sample
        labels = {name: masked(label) for name, label in sample.labels.items()}
        return self._without("pii_text", replace(sample, texts=texts, regions=regions, labels=labels))

    def _without(self, code: str, sample: Sample) -> Sample:
        """Return a sample that says what was taken out of it, and count it."""
        self._gone.setdefault(code, []).append(sample.name or sample.key)
        return replace(sample, labels={**sample.labels, **_LABELS[code]})

    def _redacted(self, records: Iterator[Sample | Reject], redacting: Redacting) -> Iterator[Sample | Reject]:
        """Yield the samples with their pictures as they may be stored."""
        pictures = ((one, one.media[0].data if isinstance(one, Sample) else None) for one in records)
        seen = seen_in_order(redacting, pictures, self.processes)
        with closing(seen):
            for record, found in seen:
                if isinstance(record, Reject) or found is None:
                    yield record
                elif found.fatal is not None:
                    yield _rejected(record, found.fatal.reason, found.fatal.detail)
                elif found.data is None:
                    yield record
                else:
                    media = Media(member=f"{record.key}{found.suffix}", data=found.data)
                    sample = replace(record, media=(media, *record.media[1:]))
                    for code in found.gone:
                        sample = self._without(code, sample)
                    yield sample

    def _refusal(self, sample: Sample) -> tuple[str, str] | None:
        """Return the reason and the sentence for which a sample may not come in."""
        if self._allowed and not allows(self._allowed, sample.licence):
            allowed = ", ".join(self.admit.licences)
            return "licence_refused", f"its licence is {sample.licence}; admit.licences allows {allowed}"
        if self.admit.consent == "required" and not _all_say_yes(sample.flags.get("consent", ())):
            return (
                "no_consent",
                f"of consent its data says {_shown(sample.flags.get('consent', ()))}; a yes is required",
            )
        if self.admit.health == "refused":
            marked = [one for one in sample.flags.get("health", ()) if one and one.casefold() not in NO]
            if marked:
                return "health_data", f"its data marks it as health data of a person: {_shown(marked)}"
            words = [*(text.text for text in sample.texts), *(part.text or "" for part in sample.regions)]
            kinds = dict.fromkeys(kind for said in words for kind in find_health(plain(said)))
            if kinds:
                return "health_data", f"what is said of it holds {' and '.join(kinds)}"
        return None


def _rejected(sample: Sample, reason: str, detail: str) -> Reject:
    return Reject(key=sample.key, member=sample.name or sample.media[0].member, reason=reason, detail=detail)


def allows(allowed: frozenset[str], licence: str) -> bool:
    """Return whether an SPDX expression can be met by what is allowed: one side of OR, and both of AND.

    Identifiers compare without case. An expression in brackets is only allowed as it stands.
    """
    said = licence.casefold()
    if "(" in said:
        return said in allowed
    return any(all(one.strip() in allowed for one in side.split(" and ")) for side in said.split(" or "))


def _all_say_yes(words: Sequence[str]) -> bool:
    return bool(words) and all(word.casefold() in YES for word in words)


def _shown(words: Sequence[str]) -> str:
    return " and ".join(repr(word[:40]) for word in words) or "nothing"
