"""Best, typical and worst, on ranks that can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contracts.errors import DataError
from components.evaluation.cases import BANDS, Pictures, cases, pick


def row(query: str, rank: int, score: float = 0.5, direction: str = "image_to_text", first: str = "t0") -> dict:
    return {
        "direction": direction, "query": query, "rank": rank, "first": first, "first_score": score, "first_right": rank == 1,
    }  # fmt: skip


def test_the_surest_right_ones_the_median_and_the_lowest_are_picked():
    ranks = [1, 1, 1, 2, 3, 3, 4, 9, 40]
    scores = [0.2, 0.9, 0.6] + [0.5] * 6
    rows = [row(f"q{place}", rank, score) for place, (rank, score) in enumerate(zip(ranks, scores, strict=True))]
    picked = pick(rows, each=2)
    assert {band: [one["query"] for one in found] for band, found in picked.items()} == {
        "best": ["q1", "q2"],  # of three with rank 1, the two with the highest scores
        "typical": ["q3", "q4"],  # in the middle of those that are left
        "worst": ["q8", "q7"],
    }


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 6))
def test_no_query_is_in_two_bands_and_bands_follow_each_other(ranks, each):
    rows = [row(f"q{place}", rank) for place, rank in enumerate(ranks)]
    picked = pick(rows, each)
    assert tuple(picked) == BANDS
    names = [one["query"] for found in picked.values() for one in found]
    assert len(names) == len(set(names)) >= min(len(rows), each)
    assert all(len(found) <= each for found in picked.values())
    lowest = [max((one["rank"] for one in picked[band]), default=0) for band in ("best", "typical")]
    highest = [min((one["rank"] for one in picked[band]), default=99) for band in ("typical", "worst")]
    assert lowest[0] <= highest[0]
    assert lowest[1] <= highest[1]
    assert pick(rows[::-1], each) == picked, "whatever order they come in"


def test_a_case_carries_its_own_right_answer_and_what_was_said_instead():
    pool = Pictures(
        pictures={"a": b"A", "b": b"B", "c": b"C"}, captions={"a": ["cat"], "b": ["dog", "hound"], "c": ["cat"]}
    )
    rows = [
        row("a", 1, first="cat"),
        row("b", 3, first="cat"),
        row("hound", 2, direction="text_to_image", first="c"),
        row("cat", 1, direction="text_to_image", first="c"),
    ]
    found = cases(rows, pool, each=1)
    one, other = found["image_to_text"]["best"][0], found["image_to_text"]["worst"][0]
    assert (one.name, one.picture, one.said, one.rank, one.of) == ("cat", b"A", None, 1, 3)
    assert (other.name, other.picture, other.said, other.rank, other.of) == ("dog", b"B", "cat", 3, 3)
    one, other = found["text_to_image"]["best"][0], found["text_to_image"]["worst"][0]
    assert (one.name, one.picture, one.said, one.of) == ("cat", b"C", None, 3)
    assert (other.name, other.picture, other.said, other.rank) == ("hound", b"B", b"C", 2)


@pytest.mark.parametrize("wrong", [row("z", 2), row("z", 2, direction="text_to_image", first="a")])
def test_rows_of_other_data_are_refused(wrong):
    with pytest.raises(DataError, match="Evaluate again"):
        cases([wrong], Pictures(pictures={"a": b"A"}, captions={"a": ["cat"]}))
