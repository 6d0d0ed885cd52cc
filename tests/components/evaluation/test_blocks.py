"""What is drawn by blocks of like groups is what is drawn group by group: the same mean and covariance, and the same quantiles, to what draws differ by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from components.evaluation import bootstrap
from components.evaluation.blocks import FURTHEST, HALVINGS, drawn_by_block, like, signed_by_block

GROUPS, DRAWS = 12_000, 4_000


def values(kind: str, groups: int = GROUPS) -> np.ndarray:
    """Return sums of groups, no two alike: ours and theirs, which go together, and how many queries there are."""
    rng = np.random.default_rng(7)
    ours = {
        "average precision": rng.beta(0.4, 0.6, groups),
        "long tail": rng.pareto(2.5, groups),
        "one far out": np.append(rng.random(groups - 1), 400.0),
    }[kind]
    theirs = 0.7 * ours + 0.3 * rng.permutation(ours)
    return np.stack([ours, theirs, rng.integers(1, 6, groups).astype(float)], 1)


def by_group(sums: np.ndarray, seed: int) -> np.ndarray:
    """Draw each by its number, as is exact."""
    rng = np.random.default_rng(seed)
    return np.stack([sums[rng.integers(len(sums), size=len(sums))].sum(0) for _ in range(DRAWS)])


@pytest.mark.parametrize("kind", ["average precision", "long tail", "one far out"])
def test_quantiles_are_those_of_drawing_group_by_group(kind):
    sums = values(kind)
    ours, exact = drawn_by_block(sums, 0, DRAWS), by_group(sums, 1)
    for of in (
        lambda drawn: drawn[:, 0] / drawn[:, 2],  # a ratio, as a mean over queries is
        lambda drawn: (drawn[:, 0] - drawn[:, 1]) / drawn[:, 2],  # and how two models differ
        lambda drawn: drawn[:, 2],
    ):
        assert ks_2samp(of(ours), of(exact)).pvalue > 0.001
        at = [0.005, 0.025, 0.05, 0.5, 0.95, 0.975, 0.995]
        off = np.abs(np.quantile(of(ours), at) - np.quantile(of(exact), at))
        assert (off < 0.25 * of(exact).std()).all(), (
            "in spreads; the outer quantiles of 4,000 draws are known to about 0.07"
        )


def test_mean_and_covariance_are_those_that_drawing_group_by_group_has():
    """By hand: of G groups drawn G times, the sum has G times the mean and G times the covariance of one."""
    sums = values("long tail")
    drawn = drawn_by_block(sums, 3, 40_000)
    exact = len(sums) * np.cov(sums.T, bias=True)
    spread = np.sqrt(np.diag(exact))
    assert (np.abs(drawn.mean(0) - sums.sum(0)) < 5 * spread / 200).all()
    assert np.abs((np.cov(drawn.T) - exact) / np.outer(spread, spread)).max() < 0.05


def test_what_all_groups_have_alike_is_what_it_is():
    sums = np.stack([np.random.default_rng(0).random(GROUPS), np.full(GROUPS, 5.0)], 1)
    assert (drawn_by_block(sums, 0, 50)[:, 1] == 5.0 * GROUPS).all()


def test_draws_follow_from_the_seed():
    sums = values("average precision")
    assert (drawn_by_block(sums, 4, 30) == drawn_by_block(sums, 4, 30)).all()
    assert not np.allclose(drawn_by_block(sums, 4, 30), drawn_by_block(sums, 5, 30))
    apart = sums[:, 0] - sums[:, 1]
    assert (signed_by_block(apart, [4, 1], 30) == signed_by_block(apart, [4, 1], 30)).all()


@pytest.mark.parametrize("kind", ["average precision", "long tail", "one far out"])
def test_signs_are_those_of_signing_group_by_group(kind):
    sums = values(kind)
    apart = sums[:, 0] - sums[:, 1]
    rng = np.random.default_rng(1)
    exact = np.array([(rng.integers(2, size=GROUPS) * 2 - 1) @ apart for _ in range(DRAWS)])
    ours = signed_by_block(apart, 0, DRAWS)
    assert ks_2samp(ours, exact).pvalue > 0.001
    assert ours.std() == pytest.approx(np.sqrt((apart**2).sum()), rel=0.05)


@settings(max_examples=30)
@given(
    groups=st.integers(2, 3 * 2**HALVINGS), columns=st.integers(1, 4), kinds=st.integers(1, 5), seed=st.integers(0, 99)
)
def test_every_group_is_in_a_block_and_every_block_has_one(groups, columns, kinds, seed):
    found = like(np.random.default_rng(seed).integers(0, kinds, (groups, columns)).astype(float))
    assert len(found) == groups
    assert sorted(set(found.tolist())) == list(range(found.max() + 1))
    assert np.bincount(found).max() <= -(-groups // 2**HALVINGS) + 1


def test_blocks_hold_like_groups_and_those_furthest_out_are_alone():
    sums = values("long tail")[:, :2]
    found, sizes = like(sums), np.bincount(like(sums))
    means = np.stack([np.bincount(found, column) for column in sums.T], 1) / sizes[:, None]
    assert ((sums - means[found]) ** 2).sum() < 0.05 * ((sums - sums.mean(0)) ** 2).sum()
    assert (sizes[found[np.argsort(sums.max(1))[-FURTHEST // 2 :]]] == 1).all()


def test_many_groups_hardly_alike_are_drawn_by_block_and_others_are_not(monkeypatch):
    sums = values("average precision", 300)
    exact = bootstrap.drawn(sums, 0, 2_000)
    assert not np.allclose(exact, drawn_by_block(sums, 0, 2_000))
    monkeypatch.setattr("components.evaluation.bootstrap.LARGE", 299)
    assert (bootstrap.drawn(sums, 0, 2_000) == drawn_by_block(sums, 0, 2_000)).all()
    alike = np.round(sums)
    assert np.ptp(bootstrap.drawn(alike, 0, 100) % 1) == 0, "right or wrong is drawn by kind, whatever their number"
