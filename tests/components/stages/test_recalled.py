"""General pictures: drawn anew, and none that a set is measured on."""

from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.data.selection import read_pool
from components.data.sources.catalogue import build_source
from components.stages.recalled import general_pictures, without_those_of
from tests.subjects import part_of


def test_drawn_scenes_are_others_than_those_of_an_evaluation_and_leave_nothing_behind(tmp_path):
    (tmp_path / "scratch").mkdir()
    pool = general_pictures({"name": "scenes", "pictures": 20}, tmp_path / "scratch", silent)
    assert len(pool) == len(set(pool.sha256s)) == 20
    assert all(text for texts in pool.captions for text in texts)
    assert list((tmp_path / "scratch").iterdir()) == []
    (tmp_path / "evaluation").mkdir()
    ingest(build_source({"name": "scenes", "pictures": 20}), tmp_path / "evaluation", seed=0, progress=silent)
    measured = read_pool(read_manifest(tmp_path / "evaluation/manifest.parquet"), tmp_path / "evaluation")
    assert without_those_of(pool, [measured]).keys == pool.keys, "none is among those that are measured on"
    again = general_pictures({"name": "scenes", "pictures": 20}, tmp_path / "scratch", silent)
    assert again.sha256s == pool.sha256s


def test_what_a_set_is_measured_on_is_left_out(squares):
    left = without_those_of(squares, [part_of(squares, range(10, 50))])
    assert left.keys == squares.keys[:10]
    assert left.captions == squares.captions[:10]
