"""Second pictures of one concept, in the pools where every query is to have one answer."""

from components.data.splits import chance
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows

ONE_A_CONCEPT = ("concept", "both")


class SameConcept(Check):
    """Of each concept with several pictures in a pool of ONE_A_CONCEPT, one stays: the one that the seed picks."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `same_concept` for all the others; rows that name no concept are left alone."""
        pools: dict[tuple[str, str], list[tuple[str, int]]] = {}
        asked = rows.of_splits(*ONE_A_CONCEPT).nonzero()[0]
        for at, row in zip(asked, rows.read(asked, "key", "split", "labels"), strict=True):
            concept = (row["labels"] or {}).get("concept")
            if concept is not None:
                pools.setdefault((row["split"], concept), []).append((row["key"], int(at)))
        findings = []
        for (_, concept), drawn in pools.items():
            kept, kept_at = min(drawn, key=lambda one: (chance(rows.seed, "keep", one[0]), one[1]))
            detail = f"the pool keeps {kept} for {concept!r}"
            findings += [rows.finding(at, "same_concept", detail) for _, at in drawn if at != kept_at]
        return findings
