"""General pictures: drawn anew, and none that a set is measured on."""

import io
from collections import Counter
from dataclasses import replace

import pytest
from PIL import Image

from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.rows.lazy import LazyPictures
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import read_pool
from components.data.sources.catalogue import build_source
from components.stages import recalled
from components.stages.recalled import general_pictures, makeable, replayed, without_those_of
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


def steps_of(own, general, share, batch, count=60):
    both, often, pairs = replayed(own, general, share, batch)
    order = DistinctBatches(both.concepts, pairs, seed=0, often=often)
    rows = [order.at(step) for step in range(count)]
    assert all(len({both.concepts[row] for row in its}) == len(its) == pairs for its in rows), "each step is whole"
    return both, rows, pairs


def test_what_is_learnt_from_again_is_its_share_of_each_step_whatever_there_is_of_it(squares):
    own, general = named(squares, range(20), "own"), named(squares, range(20, 50), "general")
    for share in (0.25, 0.5, 0.75):
        both, rows, batch = steps_of(own, general, share, 8)
        assert (len(both), batch) == (50, 8)
        assert both.pictures[:20] == tuple(own.pictures)
        old = sum(row >= 20 for its in rows for row in its) / (8 * 60)
        assert old == pytest.approx(share, abs=0.05)
        assert set(Counter(row for its in rows for row in its)) == set(range(50)), "none is left out"


class Unread(LazyPictures):
    """Thirty pictures that lie somewhere, as those of a manifest do."""

    def __len__(self) -> int:
        return 30

    def read(self, place: int) -> bytes:
        raise AssertionError(f"picture {place} was read before anybody asked for it")


def test_one_s_own_pictures_are_not_all_read_into_memory_beside_general_ones(squares):
    own = replace(named(squares, range(30), "own"), pictures=Unread(), sha256s=("a" * 64,) * 30)
    general = replace(named(squares, range(30, 50), "general"), sha256s=("b" * 64,) * 20)
    both, _, _ = replayed(own, general, 0.5, 8)
    assert len(both.pictures) == 50
    assert both.pictures[30] == squares.pictures[30]
    assert both.sha256s == ("a" * 64,) * 30 + ("b" * 64,) * 20
    assert replayed(replace(own, sha256s=()), general, 0.5, 8)[0].sha256s == (), "of some it is not known"


def test_what_kind_of_file_each_is_is_known_by_its_first_bytes_alone(squares):
    class Begun(Unread):
        def start(self, place: int, size: int) -> bytes:
            return b"\xff\xd8\xff\xe0"[:size]

    own = replace(named(squares, range(30), "own"), pictures=Begun())
    jpegs = replace(named(squares, range(30, 50), "general"), pictures=(b"\xff\xd8\xff\xe0 and more",) * 20)
    assert replayed(own, jpegs, 0.5, 8)[0].is_opaque()
    assert not replayed(own, named(squares, range(30, 50), "general"), 0.5, 8)[0].is_opaque()


def test_where_general_pictures_are_few_a_step_is_cut_to_what_there_is_and_as_long_as_is_said(squares):
    both, rows, batch = steps_of(named(squares, range(40), "own"), named(squares, range(40, 46), "general"), 0.5, 30)
    assert (len(both), batch) == (46, 21), "half of 30 are one's own, and there are six others"
    assert 5 < sum(row >= 40 for its in rows for row in its) / 60 <= 6


def test_pictures_of_which_the_same_is_said_are_no_wrong_answers_to_each_other(squares):
    own, general = named(squares, range(10), "Own"), named(squares, range(20, 50), "general")
    general = replace(general, captions=(("own 3",), ("Twice",), ("twice", "more"), *general.captions[3:]))
    both, _, _ = replayed(own, general, 0.5, 8)
    assert both.concepts[:10] == own.concepts
    assert both.concepts[10] == "Own 3"
    assert both.concepts[11] == both.concepts[12] != both.concepts[13]
    assert len(set(both.concepts)) == 10 + 30 - 2


def test_of_labels_each_is_as_often_in_a_step_as_the_others_however_rare_and_the_rest_is_general(squares):
    own = replace(named(squares, range(20), "own"), concepts=(*["often"] * 18, "seldom", "never"))
    both, rows, batch = steps_of(own, named(squares, range(20, 50), "general"), 0.5, 12)
    assert batch == 12
    seen = Counter(both.concepts[row] for its in rows for row in its)
    assert min(seen[label] / 60 for label in ("often", "seldom", "never")) > 0.7, (
        "by its pictures, one of 20 would be seen in a seventh of the steps"
    )
    assert sum(row >= 20 for its in rows for row in its) / 60 == pytest.approx(9.5, abs=0.5)


def test_where_a_step_may_have_several_of_a_label_its_share_is_one_s_own_and_labels_are_as_often_as_each_other(squares):
    own = replace(named(squares, range(20), "own"), concepts=(*["often"] * 16, *["seldom"] * 4))
    both, often, batch = replayed(own, named(squares, range(20, 50), "general"), 0.5, 12, alike=True)
    order = DistinctBatches(both.keys, batch, seed=0, often=often)
    rows = [order.at(step) for step in range(60)]
    assert {len(its) for its in rows} == {batch} == {12}
    assert sum(row >= 20 for its in rows for row in its) / (12 * 60) == pytest.approx(0.5, abs=0.06)
    seen = Counter(both.concepts[row] for its in rows for row in its if row < 20)
    assert seen["seldom"] / seen["often"] == pytest.approx(1.0, abs=0.35), "a quarter by its pictures"


def test_general_pictures_are_no_more_than_a_memory_holds_and_all_can_be_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(recalled, "MOST", 12)
    (tmp_path / "scratch").mkdir()
    scenes = build_source({"name": "scenes", "pictures": 20})
    pool = general_pictures(scenes, tmp_path / "scratch", silent)
    assert len(pool) == 12
    broken = replace(pool, pictures=(b"no picture", *pool.pictures[1:]))
    assert without_those_of(broken, []).keys == pool.keys[1:]


@pytest.mark.parametrize(
    ("views", "wanted"),
    [({}, {}), ({"grey": 0.5}, {"grey": 0.5}), (None, None), ({"swirled": 0.1}, None), ({"crop": [0.9, 0.1]}, None), ({"grey": "much"}, None)],
)  # fmt: skip
def test_views_of_a_version_that_had_other_numbers_are_none(views, wanted):
    assert makeable(views) == wanted


def test_what_is_measured_on_is_known_by_its_pixels_however_it_is_encoded(squares):
    measured = part_of(squares, range(10, 50))
    again = tuple(as_webp(data) for data in measured.pictures)
    assert set(again).isdisjoint(measured.pictures)
    assert without_those_of(squares, [replace(measured, pictures=again)]).keys == squares.keys[:10]


def as_webp(data):
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).save(out, "WEBP", lossless=True, exact=True)
    return out.getvalue()
