"""Seconds on tables small enough to check by eye."""

from components.validation.checks.same_concept import SameConcept
from tests.rows import found, row


def test_only_pools_of_unseen_concepts_keep_one_a_concept():
    listed = [
        row("a", split="designer", concept="x"),
        row("b", split="designer", concept="x"),
        row("c", split="concept", concept="y"),
    ]
    assert not found(SameConcept(), listed)
    listed.append(row("d", split="concept", concept="y"))
    assert len(found(SameConcept(), listed)) == 1
    assert {key for seed in range(20) for key in found(SameConcept(), listed, seed)} == {"c", "d"}


def test_rows_without_a_concept_are_all_kept():
    assert not found(SameConcept(), [row("a", split="concept"), row("b", split="concept")])
