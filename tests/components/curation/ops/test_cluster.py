import numpy as np
import pyarrow as pa
import pytest

from components.contracts.errors import ConfigError
from components.curation.ops.cluster import Cluster, alive
from components.curation.spherical import Centres
from components.data.manifest import SCHEMA
from tests.components.curation.toy import apply, features, manifest, row

TRUE = [0] * 30 + [1] * 20 + [2] * 10


@pytest.fixture
def three():
    """Sixty rows around three directions."""
    draw = np.random.default_rng(0)
    rows = np.eye(3)[TRUE] * 5 + draw.normal(0, 0.3, (60, 3))
    return features(image=([f"k{at:03d}" for at in range(60)], rows.tolist()))


def test_what_lies_together_is_one_cluster_and_the_largest_is_the_first(three):
    left, report = Cluster("toy", 3).apply(manifest(), three, 0)
    assert left["cluster"].to_pylist() == TRUE
    assert min(left["centrality"].to_pylist()) > 0.9
    assert (report.stats["largest"], report.stats["smallest"]) == (30, 10)


def test_length_counts_for_nothing(three):
    rows = three.matrix("toy.image", manifest()["key"].combine_chunks())
    longer = features(image=(manifest()["key"].to_pylist(), (rows * np.linspace(0.1, 9, 60)[:, None]).tolist()))
    assert Cluster("toy", 3).apply(manifest(), longer, 0)[0]["cluster"].to_pylist() == TRUE


def test_texts_may_be_clustered_by_the_first():
    left, _ = apply(Cluster("toy", 4, of="text"), manifest())
    assert set(left["cluster"].to_pylist()) == {0, 1, 2, 3}
    same = {}
    for texts, cluster in zip(left["texts"].to_pylist(), left["cluster"].to_pylist(), strict=True):
        assert same.setdefault(texts[0]["text"], cluster) == cluster


def test_more_clusters_than_rows_are_refused():
    with pytest.raises(
        ConfigError,
        match=r"clusters is 61, but there are 60 samples at that step, so some would be empty. Give 1 or fewer",
    ):
        apply(Cluster("toy", 61), manifest())


def test_a_sample_without_a_text_cannot_be_clustered_by_it():
    with pytest.raises(ConfigError, match="of is 'text', but 1 samples have none, such as k000"):
        apply(Cluster("toy", 1, of="text"), pa.Table.from_pylist([row(0, texts=[]), row(1)], SCHEMA))


@pytest.mark.parametrize(
    ("given", "says"), [({"clusters": 0}, "clusters is 0"), ({"clusters": 2, "rounds": 0}, "rounds is 0"), ({"clusters": 2, "of": "sound"}, "of is 'sound'")]
)  # fmt: skip
def test_numbers_that_make_no_sense_are_refused(given, says):
    with pytest.raises(ConfigError, match=says):
        Cluster("toy", **given)


def test_labels_are_the_nearest_centres_of_each_the_nearest_first(three):
    left, report = Cluster("toy", 3, labels=2).apply(manifest(), three, 0)
    clusters, similarities = left["clusters"].to_pylist(), left["similarities"].to_pylist()
    assert [first for first, _ in clusters] == left["cluster"].to_pylist() == TRUE
    assert all(first != second for first, second in clusters)
    assert all(first >= second for first, second in similarities)
    assert [first for first, _ in similarities] == pytest.approx(left["centrality"].to_pylist(), abs=1e-3)
    assert report.stats["dead centres"] == 0
    assert report.stats["half of the samples are in clusters of at least"] == 30


def test_a_centre_that_is_nobodys_nearest_is_dropped_and_the_others_move_up():
    vectors = np.eye(4, dtype=np.float32)[[3, 1, 0, 2]]
    found = Centres(vectors=vectors, model="m")
    rows = np.eye(4, dtype=np.float32)[[0, 0, 0, 2, 2, 1]]
    kept, sizes = alive(found, found.nearest(rows, 1, "m"))
    assert sizes.tolist() == [3, 2, 1]
    assert (kept.vectors == np.eye(4, dtype=np.float32)[[0, 2, 1]]).all()
    assert kept.nearest(rows, 1, "m").centres[:, 0].tolist() == [0, 0, 0, 1, 1, 2]


def test_two_levels_give_every_sample_its_labels():
    left, report = apply(Cluster("toy", 12, labels=3, levels=2), manifest())
    assert {len(set(row)) for row in left["clusters"].to_pylist()} == {3}
    assert report.stats["dead centres"] + len(set(left["cluster"].to_pylist())) == 12


@pytest.mark.parametrize("labels", [-1, 4])
def test_more_labels_than_clusters_are_refused(labels):
    with pytest.raises(ConfigError, match=f"labels is {labels}, but a sample has that many of the 3 clusters"):
        Cluster("toy", 3, labels=labels)
