"""A source without the pictures whose files are on a list: they reach no shard, however often the source is read."""

import hashlib
from collections.abc import Collection, Iterator

from components.contracts.progress import Progress
from components.contracts.reject import Reject
from components.contracts.sample import Sample
from components.contracts.source import Source

REASON = "takedown"


class NotListed:
    """A source of which all comes but the samples whose picture has a listed sha256; each of those is a Reject.

    Args:
        source: whose records these are, as they would be stored.
        digests: sha256 of files, as hex.
        listed_in: the list's name, for messages.
    """

    def __init__(self, source: Source, digests: Collection[str], listed_in: str) -> None:
        self.source, self.digests, self.listed_in = source, frozenset(digests), listed_in
        self._unsaid: set[str] = set()

    def samples(self, seed: int, progress: Progress) -> Iterator[Sample | Reject]:
        """Yield every record once, see Source."""
        self._unsaid = set()
        for record in self.source.samples(seed, progress):
            yield self._reject(record) if isinstance(record, Sample) and self.digests else record

    def _reject(self, sample: Sample) -> Sample | Reject:
        media = sample.media[0]
        digest = hashlib.sha256(media.data).hexdigest()
        if digest not in self.digests:
            return sample
        self._unsaid.update(text.text for text in sample.texts)
        return Reject(
            key=sample.name or sample.key,
            member=media.member,
            reason=REASON,
            detail=f"{self.listed_in} lists it: {digest}",
        )

    def describe(self) -> dict[str, object]:
        """Return what the source says of itself; among its examples are none of the words of what was left out."""
        said = dict(self.source.describe())
        if isinstance(examples := said.get("examples"), list):
            said["examples"] = [one for one in examples if one not in self._unsaid]
        return said
