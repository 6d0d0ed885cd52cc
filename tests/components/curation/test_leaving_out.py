import numpy as np
import pyarrow as pa

from components.curation.leaving_out import by_key, draws, leave_out, shares
from components.curation.ops.keep import Keep

TABLE = pa.table({"key": [f"k{at:04d}" for at in range(5000)]})


def test_draws_are_even_and_follow_from_key_seed_and_purpose():
    drawn = shares(TABLE, 1, "a")
    assert abs(drawn.mean() - 0.5) < 0.02
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() < 1
    for seed, salt in ((2, "a"), (1, "b")):
        assert abs(np.corrcoef(drawn, shares(TABLE, seed, salt))[0, 1]) < 0.05
    assert draws(TABLE.slice(7, 1), 1, "a")[0] == draws(TABLE, 1, "a")[7]


def test_examples_are_the_first_by_key_and_few():
    mixed = TABLE.take(pa.array(np.random.default_rng(0).permutation(5000)))
    goes = np.flatnonzero(by_key(mixed) % 2 == 0)
    left, report = leave_out(Keep("key == 'a'"), mixed, {"even": goes, "nothing": []})
    assert report.dropped == {"even": 2500}
    assert report.examples["even"] == tuple(sorted(mixed["key"].take(pa.array(goes)).to_pylist())[:20])
    assert left["key"].to_pylist() == [
        key for at, key in enumerate(mixed["key"].to_pylist()) if at not in set(goes.tolist())
    ]


def test_by_key_is_the_order_of_the_keys():
    mixed = TABLE.take(pa.array(np.random.default_rng(0).permutation(5000)))
    assert mixed["key"].take(pa.array(by_key(mixed))).to_pylist() == TABLE["key"].to_pylist()
