"""Reciprocal rank fusion, by hand."""

from components.serving.search.fusion import fused


def test_what_two_rankings_agree_on_comes_first():
    assert fused([[1, 2, 3], [3, 2, 9]]) == [3, 2, 1, 9]  # 1/61 + 1/63 > 2/62 > 1/61 > 1/63


def test_one_ranking_stays_as_it_is_and_none_gives_none():
    assert fused([[5, 1, 3]]) == [5, 1, 3]
    assert fused([[], []]) == []


def test_equal_ones_go_by_row():
    assert fused([[7, 2], [2, 7]]) == [2, 7]
