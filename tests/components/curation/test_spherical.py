"""Spherical k-means over rows in memory or on disk: nearest centres, two levels, and what is refused.

Axes: N rows, D width, K centres, l nearest of a row.
"""

from dataclasses import replace

import numpy as np
import pytest

from components.contracts.errors import ConfigError, DataError, StaleArtifact
from components.curation.spherical import shared_out as shared
from components.curation.spherical import spherical_centres, unit

GROUPS, EACH, WIDTH = 12, 40, 16


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Rows around twelve directions, of any length."""
    draw = np.random.default_rng(0)
    around = np.eye(WIDTH)[np.arange(GROUPS * EACH) % GROUPS] * 6 + draw.normal(0, 0.5, (GROUPS * EACH, WIDTH))
    return (around * draw.uniform(0.2, 5, (len(around), 1))).astype(np.float32)


@pytest.mark.parametrize("levels", [1, 2])
def test_what_lies_together_has_one_centre(rows, levels):
    centres = spherical_centres(rows, GROUPS, 20, 0, model="m", levels=levels)
    near = centres.nearest(rows, 1, "m")
    assert centres.vectors.shape == (GROUPS, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(centres.vectors, axis=1), 1, rtol=1e-5)
    of = near.centres[:, 0].reshape(EACH, GROUPS).T  # rows of one direction
    assert np.mean([np.bincount(one).max() / EACH for one in of]) > 0.9
    assert near.sizes(GROUPS).sum() == len(rows)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_first_of_many_is_the_nearest_and_none_comes_twice(rows, levels):
    centres = spherical_centres(rows, 40, 10, 0, model="m", levels=levels)
    one, some = centres.nearest(rows, 1, "m"), centres.nearest(rows, 7, "m")
    cosines = unit(rows) @ centres.vectors.T
    assert (one.centres[:, 0] == cosines.argmax(1)).all()
    assert (some.centres[:, :1] == one.centres).all()
    assert all(len(set(row)) == 7 for row in some.centres.tolist())
    np.testing.assert_allclose(some.cosines, np.sort(cosines)[:, ::-1][:, :7], atol=1e-5)


def test_all_centres_of_a_row_are_all_of_them_in_order(rows):
    centres = spherical_centres(rows, 5, 5, 0, model="m")
    near = centres.nearest(rows, 5, "m")
    assert (np.sort(near.centres, 1) == np.arange(5)).all()
    assert (np.diff(near.cosines, axis=1) <= 0).all()


def test_a_map_of_halves_on_disk_gives_what_the_rows_in_memory_give(rows, tmp_path):
    halves = rows.astype(np.float16)
    halves.tofile(tmp_path / "rows.f16")
    on_disk = np.memmap(tmp_path / "rows.f16", np.float16, "r", shape=halves.shape)
    one, other = (spherical_centres(its, GROUPS, 5, 3, model="m") for its in (halves, on_disk))
    assert (one.vectors == other.vectors).all()
    assert (one.nearest(halves, 3, "m").centres == other.nearest(on_disk, 3, "m").centres).all()


def test_only_so_many_rows_are_learnt_from(rows):
    many = np.concatenate([rows] * 2)
    few = spherical_centres(many, 2, 5, 0, model="m")  # 512 rows of 960
    assert few.vectors.shape == (2, WIDTH)
    assert (few.vectors == spherical_centres(many, 2, 5, 0, model="m").vectors).all()
    assert (few.vectors != spherical_centres(many, 2, 5, 1, model="m").vectors).any()


@pytest.mark.parametrize("seed", range(5))
def test_centres_are_shared_out_by_size_and_no_group_has_more_than_rows(seed):
    draw = np.random.default_rng(seed)
    sizes = draw.integers(0, 50, 9)
    for count in (int((sizes > 0).sum()), 40, int(sizes.sum())):
        given = np.array(shared(count, sizes))
        assert given.sum() == count
        assert (given <= sizes).all()
        assert ((given > 0) == (sizes > 0)).all()


def test_rows_of_another_model_are_stale(rows):
    centres = spherical_centres(rows, 4, 5, 0, model="clip (0a1b2c)")
    with pytest.raises(StaleArtifact, match=r"learnt from rows of clip \(0a1b2c\), and these are of clip \(9f8e7d\)"):
        centres.nearest(rows, 1, "clip (9f8e7d)")


@pytest.mark.parametrize("count", [0, 5])
def test_no_centre_and_more_than_there_are_is_refused(rows, count):
    centres = spherical_centres(rows, 4, 5, 0, model="m")
    with pytest.raises(ConfigError, match=f"{count} centres of each row are asked for, and there are 4"):
        centres.nearest(rows, count, "m")
    with pytest.raises(ConfigError, match="481 clusters are asked for, and there are 480 rows"):
        spherical_centres(rows, 481, 5, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_row_without_length_is_refused(rows, bad):
    broken = rows.copy()
    broken[7] = bad
    with pytest.raises(DataError, match="1 of 480 rows are no numbers or have no length, the first of them row 7"):
        spherical_centres(broken, 4, 5, 0)
    centres = spherical_centres(rows, 4, 5, 0, model="m")
    with pytest.raises(DataError, match="row 7"):
        centres.nearest(broken, 1, "m")


def test_where_the_groups_of_a_row_have_too_few_centres_all_are_looked_at(rows):
    centres = spherical_centres(rows, 30, 5, 0, model="m", levels=2)
    one_group = replace(centres, groups=centres.groups[:1] if centres.groups is not None else None)
    assert (one_group.nearest(rows, 30, "m").centres >= 0).all()
