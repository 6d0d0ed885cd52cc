"""The split rule, held to its promises on more concepts than any of our sources has."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import DataError
from components.contracts.sample import SPLITS
from components.data.splits import RankRule, SplitRule, chance

DRAWN_BY = ("noto", "openmoji", "twemoji")
RULE = SplitRule(held_out="openmoji")
CONCEPTS = [f"concept {i}" for i in range(20_000)]


def test_shares_are_what_the_rule_says():
    counts = Counter(split for concept in CONCEPTS for split in RULE.assign(0, concept, DRAWN_BY).values())
    n = len(CONCEPTS)
    assert abs(counts["both"] / n - 0.10) < 0.01
    assert counts["concept"] == 2 * counts["both"]
    assert counts["designer"] == n - counts["both"]
    assert abs(counts["pair"] / counts["designer"] - 0.17) < 0.01
    assert abs(counts["val"] / counts["designer"] - 0.12) < 0.01
    assert sum(counts.values()) == 3 * n


def test_each_seen_designer_gives_about_half_of_the_pairs():
    taken = Counter(
        who for concept in CONCEPTS for who, split in RULE.assign(0, concept, DRAWN_BY).items() if split == "pair"
    )
    assert set(taken) == {"noto", "twemoji"}
    assert abs(taken["noto"] / sum(taken.values()) - 0.5) < 0.05


@given(st.integers(), st.text(max_size=20), st.permutations(DRAWN_BY))
def test_a_concept_is_seen_or_unseen_as_a_whole_in_any_order(seed, concept, drawn_by):
    splits = RULE.assign(seed, concept, drawn_by)
    assert splits == RULE.assign(seed, concept, DRAWN_BY)
    assert set(splits.values()) <= set(SPLITS)
    assert splits["openmoji"] in ("designer", "both")
    others = sorted(splits[who] for who in ("noto", "twemoji"))
    if splits["openmoji"] == "both":
        assert others == ["concept", "concept"]
    else:
        assert "train" in others
        assert others[0] in ("pair", "train")
        assert set(others) <= {"pair", "train", "val"}


@given(st.text(max_size=20))
def test_a_concept_with_one_seen_picture_keeps_it_in_train(concept):
    splits = RULE.assign(0, concept, ("noto", "openmoji"))
    assert splits["noto"] in ("train", "concept")


def test_another_seed_moves_concepts():
    moved = sum(RULE.assign(0, concept, DRAWN_BY) != RULE.assign(1, concept, DRAWN_BY) for concept in CONCEPTS[:1000])
    assert moved > 300


def test_chance_is_the_same_on_every_machine():
    assert chance(0, "concept", "red heart") == 0x27340EF35F38 / 2**48  # sha256sum of "0:concept:red heart", 6 bytes


GROUPS = st.sets(st.text(max_size=8), min_size=3, max_size=80)


@given(st.integers(0, 9), GROUPS)
def test_few_groups_or_many_every_split_has_its_part(seed, groups):
    splits = RankRule().assign(seed, groups)
    sizes = Counter(splits.values())
    assert set(splits) == groups
    few = max(2 if len(groups) >= 6 else 1, min(5, len(groups) // 5))
    assert sizes["pair"] == sizes["val"] == max(few, round(0.1 * len(groups)))
    assert sizes["train"] >= max(1, len(groups) // 3)


@given(st.integers(0, 9), GROUPS, st.text(max_size=8))
def test_one_group_more_moves_at_most_three_others(seed, groups, new):
    before, after = (
        RankRule().assign(seed, groups - {new} | {"a", "b", "c"}),
        RankRule().assign(seed, groups | {new, "a", "b", "c"}),
    )
    assert sum(after[group] != split for group, split in before.items()) <= 3


def test_two_groups_hold_nothing_out():
    with pytest.raises(DataError, match="there are 2 groups"):
        RankRule().assign(0, ["a", "b", "a"])
