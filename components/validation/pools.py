"""Sound pictures that would still make a test number mean less: twins, and second pictures of one concept.

With identical pixels under two captions nobody can be right about both; with a twin in train, recall is memory.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.data.splits import chance
from components.validation.findings import Finding

ONE_A_CONCEPT = ("concept", "both")


def find_twins(rows: Mapping[int, Mapping[str, Any]], fingerprints: Sequence[str | None]) -> list[Finding]:
    """Return the evaluation rows (val and test) whose pixels equal a row's that is trained on, or captioned otherwise.

    `rows` are the sound rows by place in the manifest; `fingerprints` the pixel_sha256 of all places.
    """
    findings = []
    for twins in _groups(rows, fingerprints).values():
        captions = {_caption(rows[place]) for place in twins}
        trained = [place for place in twins if rows[place]["split"] == "train"]
        if len(captions) == 1 and not trained:
            continue
        for place in twins:
            if rows[place]["split"] == "train":
                continue
            other = next(iter([other for other in trained or twins if other != place]))
            twin = rows[other]
            detail = f"identical to {twin['key']} ({twin['split']}), which is named {_caption(twin)[0][0]!r}"
            findings.append(Finding(row=place, reason="duplicate_pixels", detail=detail))
    return findings


def find_seconds(rows: Mapping[int, Mapping[str, Any]], seed: int) -> list[Finding]:
    """Return, of each concept with several pictures in a pool of ONE_A_CONCEPT, all rows but the one that the seed picks."""
    pools: dict[tuple[str, str], list[int]] = {}
    for place, row in rows.items():
        concept = (row["labels"] or {}).get("concept")
        if row["split"] in ONE_A_CONCEPT and concept is not None:
            pools.setdefault((row["split"], concept), []).append(place)
    findings = []
    for (_, concept), places in pools.items():
        kept = min(places, key=lambda place: (chance(seed, "keep", rows[place]["key"]), place))
        for place in places:
            if place != kept:
                detail = f"the pool keeps {rows[kept]['key']} for {concept!r}"
                findings.append(Finding(row=place, reason="same_concept", detail=detail))
    return findings


def count_twins_in_train(rows: Mapping[int, Mapping[str, Any]], fingerprints: Sequence[str | None]) -> int:
    """Return how many pictures of train equal another picture of train; they are kept, and only counted."""
    groups = _groups({place: row for place, row in rows.items() if row["split"] == "train"}, fingerprints)
    return sum(map(len, groups.values()))


def _groups(rows: Mapping[int, Mapping[str, Any]], fingerprints: Sequence[str | None]) -> dict[str, list[int]]:
    """Return fingerprint -> places, of those that more than one row has."""
    groups: dict[str, list[int]] = {}
    for place in rows:
        fingerprint = fingerprints[place]
        if fingerprint is not None:
            groups.setdefault(fingerprint, []).append(place)
    return {fingerprint: places for fingerprint, places in groups.items() if len(places) > 1}


def _caption(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((text["text"], text["lang"]) for text in row["texts"])
