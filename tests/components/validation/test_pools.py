"""Twins and seconds on tables small enough to check by eye."""

from components.validation.pools import count_twins_in_train, find_seconds, find_twins


def row(key: str, split: str, text: str, concept: str | None = None) -> dict:
    return {"key": key, "split": split, "texts": [{"text": text, "lang": "en"}], "labels": {"concept": concept}}


def test_a_territory_flag_that_is_its_country_flag():
    rows = {0: row("no", "train", "Norway"), 1: row("bv", "concept", "Bouvet Island"), 2: row("sj", "pair", "Svalbard")}
    found = find_twins(rows, ["aa", "aa", "bb"])
    assert [(one.row, one.reason) for one in found] == [(1, "duplicate_pixels")]
    assert found[0].detail == "identical to no (train), which is named 'Norway'"


def test_pictures_without_a_fingerprint_are_nobodys_twins():
    rows = {0: row("a", "train", "x"), 1: row("b", "val", "y")}
    assert not find_twins(rows, [None, None])
    assert count_twins_in_train(rows, [None, None]) == 0


def test_rows_that_are_not_passed_on_take_nobody_with_them():
    assert not find_twins({1: row("b", "pair", "y")}, ["aa", "aa"])


def test_only_pools_of_unseen_concepts_keep_one_a_concept():
    rows = {0: row("a", "designer", "x", "x"), 1: row("b", "designer", "x", "x"), 2: row("c", "concept", "y", "y")}
    assert not find_seconds(rows, seed=0)
    rows[3] = row("d", "concept", "y", "y")
    assert len(find_seconds(rows, seed=0)) == 1
    assert {find_seconds(rows, seed=seed)[0].row for seed in range(20)} == {2, 3}


def test_rows_without_a_concept_are_all_kept():
    assert not find_seconds({0: row("a", "concept", "x"), 1: row("b", "concept", "y")}, seed=0)
