"""What `diptych adapt --to` brings in of somebody's pictures, with what is said of them."""

import csv

from components.contracts.progress import silent
from flows.adapt import Asked
from flows.adapt_pools import pools_of
from tests.own_pictures import paint


def test_the_series_of_a_picture_is_known_wherever_it_is_learnt_from_chosen_by_or_tested_on(tmp_path):
    said = paint(tmp_path / "mine", 80)
    with (tmp_path / "mine/captions.csv").open("w", newline="", encoding="utf-8") as opened:
        rows = [(name, caption, f"product {place // 4}") for place, (name, (caption, _)) in enumerate(said.items())]
        csv.writer(opened).writerows([("image", "caption", "group"), *rows])
    asked = Asked(data="mine", start=tmp_path / "start")
    pools, _ = pools_of(asked, tmp_path, tmp_path / "out/.data", silent)
    assert list(pools) == ["train", "val", "pair"]
    for name, pool in pools.items():
        assert len(pool.series) == len(pool), name
        assert all(pool.series), name
        assert len(set(pool.series)) == len(pool) / 4, "a series lies in one split"
    every = [one for pool in pools.values() for one in set(pool.series)]
    assert len(every) == len(set(every)) == 20
