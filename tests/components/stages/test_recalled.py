"""General pictures: drawn anew, and none that a set is measured on."""

from collections import Counter
from dataclasses import replace

import pytest

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import read_pool
from components.data.sources.catalogue import build_source
from components.stages.recalled import general_pictures, replayed, without_those_of
from tests.subjects import part_of


def test_drawn_scenes_are_others_than_those_of_an_evaluation_and_leave_nothing_behind(tmp_path):
    (tmp_path / "scratch").mkdir()
    pool = general_pictures(build_source({"name": "scenes", "pictures": 20}), tmp_path / "scratch", silent)
    assert len(pool) == len(set(pool.sha256s)) == 20
    assert all(text for texts in pool.captions for text in texts)
    assert list((tmp_path / "scratch").iterdir()) == []
    (tmp_path / "evaluation").mkdir()
    ingest(build_source({"name": "scenes", "pictures": 20}), tmp_path / "evaluation", seed=0, progress=silent)
    measured = read_pool(read_manifest(tmp_path / "evaluation/manifest.parquet"), tmp_path / "evaluation")
    assert without_those_of(pool, [measured]).keys == pool.keys, "none is among those that are measured on"
    again = general_pictures(build_source({"name": "scenes", "pictures": 20}), tmp_path / "scratch", silent)
    assert again.sha256s == pool.sha256s


def test_what_a_set_is_measured_on_is_left_out(squares):
    left = without_those_of(squares, [part_of(squares, range(10, 50))])
    assert left.keys == squares.keys[:10]
    assert left.captions == squares.captions[:10]


def named(squares, places, prefix):
    """Return squares each of which shows, and is said to show, a thing of its own."""
    some = part_of(squares, places)
    said = [f"{prefix} {place}" for place in places]
    return replace(some, captions=tuple((one,) for one in said), concepts=tuple(said), kinds=())


def test_what_is_learnt_from_again_is_its_share_of_each_step_whatever_there_is_of_it(squares):
    own, general = named(squares, range(20), "own"), named(squares, range(20, 50), "general")
    for share in (0.25, 0.5, 0.75):
        both, often, batch = replayed(own, general, share, 8)
        assert (len(both), batch) == (50, 8)
        assert both.pictures[:20] == tuple(own.pictures)
        order = DistinctBatches(both.concepts, batch, seed=0, often=often)
        rows = [order.at(step) for step in range(60)]
        assert all(len({both.concepts[row] for row in its}) == 8 for its in rows)
        old = sum(row >= 20 for its in rows for row in its) / (8 * 60)
        assert old == pytest.approx(share, abs=0.05)
        assert set(Counter(row for its in rows for row in its)) == set(range(50)), "none is left out"


def test_a_general_picture_of_which_the_same_is_said_is_no_wrong_answer(squares):
    own, general = named(squares, range(10), "Own"), named(squares, range(20, 50), "general")
    general = replace(general, captions=(("own 3",), *general.captions[1:]))
    both, _, _ = replayed(own, general, 0.5, 8)
    assert both.concepts[10] == both.concepts[3] == "Own 3"
    assert both.concepts[11:] == general.concepts[1:]


def test_of_labels_a_step_has_each_once_and_the_rest_is_general(squares):
    own = replace(named(squares, range(20), "own"), concepts=("a", "b") * 10)
    _, often, batch = replayed(own, named(squares, range(20, 50), "general"), 0.5, 12)
    assert batch == 12
    assert sum(often[:20]) == pytest.approx(2.0)
    assert sum(often[20:]) == pytest.approx(10.0)
    small, _, cut = replayed(own, named(squares, range(20, 24), "general"), 0.5, 12)
    assert (len(small), cut) == (24, 6), "a step is cut to the concepts there are"


def test_where_all_general_pictures_are_measured_on_nothing_can_be_learnt_from_again(squares):
    with pytest.raises(ConfigError, match="no general picture to learn from again"):
        replayed(squares, part_of(squares, []), 0.5, 8)
