"""Arms of one and of several runs: how far apart they are, by queries and by seeds, and how many comparisons there are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from components.contracts.errors import ConfigError
from components.evaluation.bootstrap import FEWEST, mean_interval
from components.evaluation.study import apart_by, comparisons, far_middle, left_out, of_seeds, study
from flows.study import table
from tests.components.evaluation.test_gate import M, evaluated

OTHER = "zero_shot.pair.category.top1"


def run(label, groups=None, data="d", names=None, **answers):
    its = {M: answers["m"], **({OTHER: answers["other"]} if "other" in answers else {})}
    return measured(label, its, groups, data, names)


def measured(label, answers, groups=None, data="d", names=None):
    one = evaluated(label, answers, groups, names=names)
    return replace(one, metrics={name: {**metric, "data": data} for name, metric in one.metrics.items()})


def right(share: float, seed: int, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < share


def test_one_run_an_arm_is_compared_query_by_query():
    ours, theirs = right(0.7, 0), right(0.5, 1)
    first, second = study({"a": [run("a", m=theirs)], "b": [run("b", m=ours)]})
    assert (first.arm, first.value, first.difference) == ("a", theirs.mean(), None)
    assert (second.value, second.queries, second.apart) == (ours.mean(), 400, True)
    assert second.difference == pytest.approx(ours.mean() - theirs.mean())
    wanted = mean_interval(ours.astype(float) - theirs, range(400), seed=0)
    assert (second.low, second.high) == pytest.approx(wanted, abs=0.01)


def test_groups_are_drawn_together():
    ours, theirs = np.repeat(right(0.6, 0, 40), 10), np.repeat(right(0.5, 1, 40), 10)
    alone = study({"a": [run("a", m=theirs)], "b": [run("b", m=ours)]})[1]
    groups = np.repeat(np.arange(40), 10)
    together = study({"a": [run("a", groups, m=theirs)], "b": [run("b", groups, m=ours)]})[1]
    assert together.high - together.low > 2.5 * (alone.high - alone.low)


def test_of_several_runs_what_a_seed_does_is_in_the_interval():
    """Three runs an arm that all queries answer alike but for the seed: the interval is Student's of the paired differences."""
    shares = {"a": (0.50, 0.52, 0.48), "b": (0.56, 0.62, 0.53)}
    arms = {
        arm: [run(f"{arm}{seed}", m=np.arange(1000) < 1000 * share) for seed, share in enumerate(its)]
        for arm, its in shares.items()
    }
    line = study(arms)[1]
    apart = np.subtract(shares["b"], shares["a"])
    assert line.difference == pytest.approx(apart.mean())
    reach = student.ppf(0.975, 2) * apart.std(ddof=1) / 3**0.5
    assert of_seeds(np.array(shares["b"]), np.array(shares["a"]), 0.95) == pytest.approx(reach)
    assert line.high - line.difference > reach, "which queries were asked is in it too"
    assert line.high - line.difference < reach + 0.05
    assert line.runs == 3


def test_arms_of_unlike_many_runs_vary_each_for_itself_as_welch_has_it():
    ours, theirs = np.array([0.5, 0.6, 0.55]), np.array([0.4, 0.5])
    parts = ours.var(ddof=1) / 3, theirs.var(ddof=1) / 2
    free = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1)
    assert of_seeds(ours, theirs, 0.95) == pytest.approx(student.ppf(0.975, free) * sum(parts) ** 0.5)
    assert of_seeds(ours[:1], theirs[:1], 0.95) == 0


def test_equal_arms_are_found_apart_no_more_often_than_is_said():
    """Ten arms as good as the first, sixty times: in about one study of twenty some are said to be apart, though in one of four or more some interval leaves out 0."""
    said, plain = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        arms = {f"arm{place}": [run(f"arm{place}", m=rng.random(150) < 0.5)] for place in range(11)}
        lines = [line for line in study(arms, seed=seed) if line.difference is not None]
        said += any(line.apart for line in lines)
        plain += any(not line.low <= 0 <= line.high for line in lines)
    assert said <= 8, "of 60, one in twenty is 3, and 8 are more than three deviations off"
    assert plain > 10


@pytest.mark.parametrize(
    ("groups", "differ"), [(4, 1.0), (FEWEST, 1.0), (200, 0.02)], ids=["too few", "hardly enough", "few that differ"]
)
def test_equal_arms_are_found_apart_no_more_often_of_few_groups_and_few_answers_that_differ(groups, differ):
    """Ten numbers of two arms, whose values are drawn alike wherever they differ."""
    said = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sides = rng.normal(size=(2, 10, groups)) if differ == 1 else rng.random((2, 10, groups)) < differ / 2
        arms = {
            label: [measured(label, {f"number {at}": one for at, one in enumerate(its)})]
            for label, its in zip("ab", sides, strict=True)
        }
        lines = [line for line in study(arms, seed=seed) if line.difference is not None]
        assert len(lines) == 10
        said += any(line.apart for line in lines)
    assert said <= 12, "of 100, one in twenty is 5, and 12 are more than three deviations off"


@pytest.mark.parametrize("groups", [2, 4, FEWEST - 1])
def test_of_few_groups_nothing_is_said_to_be_apart(groups):
    about, ours, theirs = np.repeat(np.arange(groups), 9), np.ones(9 * groups), np.zeros(9 * groups)
    line = study({"a": [run("a", about, m=theirs)], "b": [run("b", about, m=ours)]})[1]
    assert (line.difference, line.apart) == (1.0, False)
    more = np.repeat(np.arange(FEWEST), 9)
    arms = {name: [run(name, more, m=np.full(9 * FEWEST, right))] for name, right in (("a", 0.0), ("b", 1.0))}
    assert study(arms)[1].apart


@pytest.mark.parametrize("groups", [3, 4, 10, FEWEST - 1])
def test_an_interval_of_few_groups_holds_the_truth_as_often_as_it_says(groups):
    """Of 300 draws of normal numbers 95% are 285; 271 are more than three deviations off. What is plainly drawn holds it less often."""
    held, plain = 0, 0
    for seed in range(300):
        answers = np.random.default_rng(seed).normal(size=groups)
        zeros = {M: np.zeros(groups)}
        ours, theirs = (
            replace(one, metrics={M: {**one.metrics[M], "unit": "nats"}})
            for one in (measured("b", {M: answers}), measured("a", zeros))
        )
        apart = apart_by([ours], [theirs], M, seed, [0.95])
        (low, high), (below, above) = apart.ends[0], mean_interval(answers, range(groups), seed)
        held += low <= 0 <= high
        plain += below <= 0 <= above
    assert held >= 271
    assert held > plain


def test_shares_are_no_further_apart_than_all_of_them():
    answers = np.array([1.0, 1.0, 0.0])
    low, high = apart_by([run("b", m=answers)], [run("a", m=np.zeros(3))], M, 0, [0.95]).ends[0]
    assert (low < 0, high) == (True, 1.0)


def test_of_one_group_nothing_can_be_said():
    line = study({name: [run(name, np.zeros(9), m=right(0.5, 0, 9))] for name in ("a", "b")})[1]
    assert (line.difference, line.why) == (None, "all queries are about one thing, of which no interval can be made")


@pytest.mark.parametrize(("differ", "apart"), [(4, False), (5, False), (6, True)])
def test_of_few_answers_that_differ_all_the_one_way_as_many_must_as_an_exact_test_asks_for(differ, apart):
    """By hand: of models that are alike, five of five differ the one way in a 16th of cases, six of six in a 32nd."""
    ours = np.arange(200) < 100
    line = study({"a": [run("a", m=ours & (np.arange(200) >= differ))], "b": [run("b", m=ours)]})[1]
    assert line.low > 0
    assert line.apart == apart


def test_a_number_counted_over_two_tables_is_the_mean_of_both():
    ours, theirs = (
        {"m": right(share, seed), "other": right(share - 0.1, seed + 5, 100)} for share, seed in ((0.7, 0), (0.5, 1))
    )
    both = []
    for label, its in (("a", theirs), ("b", ours)):
        one = run(label, **its)
        tallies = [tally for name in (M, OTHER) for tally in one.metrics[name]["tallies"]]
        value = (its["m"].mean() + its["other"].mean()) / 2
        both.append(replace(one, metrics={"mean": {**one.metrics[M], "value": value, "tallies": tallies}}))
    line = study({"a": [both[0]], "b": [both[1]]})[1]
    assert line.difference == pytest.approx(both[1].metrics["mean"]["value"] - both[0].metrics["mean"]["value"])
    assert line.queries == 500


def asked_by(label, method, **answers):
    one = run(label, **answers)
    return replace(one, metrics={name: {**metric, "method": method} for name, metric in one.metrics.items()})


def test_arms_that_were_asked_otherwise_are_compared_and_it_is_said():
    """How to ask may be what is studied; who only looks at the models has to know."""
    first = asked_by("a", "1 of 10 by 7 prompts", m=right(0.5, 0))
    alike, other = (asked_by("b", f"1 of 10 by {count} prompts", m=right(0.7, 1)) for count in (7, 80))
    (_, same), (_, apart) = (study({"a": [first], "b": [second]}) for second in (alike, other))
    assert (same.otherwise, apart.otherwise) == (False, True)
    assert same.difference == apart.difference is not None
    units = {M: "fraction"}
    assert "Asked in another way" not in "\n".join(table([_, same], units, "a", 1))
    said = "\n".join(table([_, apart], units, "a", 1))
    assert (
        f"Asked in another way than a, as `method` of metrics.json says, which is part of the difference: b {M}."
        in said
    )


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (run("b", m=right(0.5, 0), data="e"), "measured on other data"),
        (run("b", m=right(0.5, 0), names=[f"z{at}" for at in range(400)]), "not asked the same queries"),
        (run("b", m=right(0.5, 0, 3)), "not asked the same queries"),
    ],
    ids=["other data", "other names", "fewer queries"],
)
def test_what_cannot_be_compared_is_said_with_its_number(second, why):
    line = study({"a": [run("a", m=right(0.5, 1))], "b": [second]})[1]
    assert (line.value, line.difference) == (second.metrics[M]["value"], None)
    assert why in line.why


def test_patterns_choose_and_what_makes_no_study_is_refused():
    one = run("a", m=right(0.5, 0), other=right(0.5, 1))
    assert {line.metric for line in study({"a": [one], "b": [one]}, metrics=["zero_shot.*"])} == {OTHER}
    with pytest.raises(ConfigError, match="two arms or more"):
        study({"a": [one]})
    with pytest.raises(ConfigError, match="none of the arms"):
        study({"a": [one], "b": [one]}, against="c")
    with pytest.raises(ConfigError, match="fits no number"):
        study({"a": [one], "b": [one]}, metrics=["cost.*"])


@pytest.mark.parametrize("many", [10, 12, 13, 250, 1_000, 100_000])
def test_ends_lie_as_far_out_as_so_many_comparisons_ask(many):
    """Of 10,000 draws the extremes are about 3.9 deviations out, for whatever is more than 250."""
    ours, theirs = right(0.6, 0, 2_000), right(0.5, 1, 2_000)
    level = 1 - 0.05 / many
    apart = apart_by([run("a", m=ours)], [run("b", m=theirs)], M, 0, (0.95, level))
    deviation = (ours.astype(float) - theirs).std() / 2_000**0.5
    wanted = norm.isf((1 - level) / 2) * deviation
    low, high = apart.ends[1]
    assert (apart.value - low, high - apart.value) == pytest.approx((wanted, wanted), rel=0.1)


def test_skewed_draws_stay_so_further_out():
    draws = np.random.default_rng(0).exponential(size=10_000) - 1
    (low, high), (lowest, highest) = (far_middle(draws, confidence) for confidence in (0.996, 0.9999))
    assert (lowest / low, highest / high) == pytest.approx([norm.isf(0.00005) / norm.isf(0.002)] * 2)
    assert highest > 5 * -lowest


def test_what_the_first_has_no_rows_of_is_named():
    first, second = run("a", m=right(0.5, 0)), run("b", m=right(0.5, 1), other=right(0.5, 2))
    arms = {"a": [first], "b": [second]}
    assert left_out(arms) == [OTHER]
    assert left_out(arms, "b") == left_out(arms, metrics=["retrieval.*"]) == []
    assert comparisons([M, OTHER], {**arms, "c": [first]}) == 4
