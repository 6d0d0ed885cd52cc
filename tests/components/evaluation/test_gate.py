"""A challenger gets by as often as the rules say, and what is said of it is what its rows give."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from components.contracts.errors import ConfigError, DataError
from components.contracts.evaluate import Tally
from components.contracts.promotion import Bound, Finding, Guard, Rules
from components.evaluation.bootstrap import FEWEST
from components.evaluation.gate import compared, fallen, judge
from components.evaluation.outcomes import Evaluated, distinct_queries
from components.evaluation.ruled import table
from components.evaluation.study import study

M = "retrieval.pair.mean_recall"


def evaluated(label, answers, groups=None, better="up", names=None, **others):
    """Return an evaluation of which each metric is a mean of answers, and `others` numbers without rows."""
    metrics = {
        name: {
            "value": float(np.mean(values)), "unit": "fraction", "better": better, "tallies": [{"rows": name, "column": "right"}],
        }
        for name, values in answers.items()
    }  # fmt: skip
    metrics |= {name: {"value": value, "unit": "flops", "better": "down"} for name, value in others.items()}
    rows = {
        name: pa.table(
            {
                "query": names or [f"q{at:06d}" for at in range(len(values))],
                "group": [str(one) for one in (groups if groups is not None else range(len(values)))],
                "right": values,
            }
        )
        for name, values in answers.items()
    }
    return Evaluated(label=label, metrics=metrics, rows=rows)


def two(rights, wrongs, both=50, neither=50):
    """Return answers of challenger and champion: right where the other is wrong, the other way, both and neither."""
    ours = [True] * rights + [False] * wrongs + [True] * both + [False] * neither
    theirs = [False] * rights + [True] * wrongs + [True] * both + [False] * neither
    return np.array(ours), np.array(theirs)


def ruled(ours, theirs, groups=None, rules=None, **others):
    return judge(
        evaluated("clip@3", {M: ours}, groups, **others),
        evaluated("clip@2", {M: theirs}, groups, **others),
        rules or Rules(),
    )


def test_one_that_is_better_on_the_same_queries_is_promoted_and_says_by_how_much():
    ruling = ruled(*two(40, 5))
    assert (ruling.outcome, ruling.challenger, ruling.champion) == ("promoted", "clip@3", "clip@2")
    (primary,) = ruling.findings
    assert (primary.ours, primary.theirs) == pytest.approx((90 / 145, 55 / 145))
    assert primary.difference == pytest.approx(35 / 145)
    assert 0 < primary.low < 35 / 145 < primary.high
    assert (primary.queries, primary.groups) == (145, 145)
    assert ruling.sentence.startswith(
        f"clip@3 is the new champion in place of clip@2: {M} is shown to be better (0.6207"
    )


def test_the_share_that_decides_is_near_that_of_an_exact_test():
    """Of right where the other is wrong, half by chance: McNemar's test, as scipy's binomial has it."""
    ours, theirs = two(60, 40, 500, 500)
    found = compared(evaluated("a", {M: ours}), evaluated("b", {M: theirs}), M, Rules(draws=20_000), 0)
    exact = binomtest(60, 100, alternative="greater").pvalue
    assert found.above(0.0) == pytest.approx(exact, abs=0.006)  # a half of what lies at 60 exactly


@pytest.mark.parametrize(("rights", "wrongs", "outcome"), [(12, 8, "inconclusive"), (5, 40, "kept"), (10, 10, "kept")])
def test_one_that_is_not_shown_to_be_better_stays(rights, wrongs, outcome):
    ruling = ruled(*two(rights, wrongs))
    assert ruling.outcome == outcome
    assert ruling.sentence.startswith("clip@3 stays challenger and clip@2 is served")


def test_how_many_more_queries_are_needed_is_about_right():
    """So many times as many queries of the same kind show it in about the share of cases that was asked."""
    ours, theirs = two(30, 22, 100, 100)
    (finding,) = ruled(ours, theirs).findings
    assert finding.more is not None
    times = (finding.more + finding.queries) / finding.queries
    wanted = int(times * len(ours))
    rng, shown = np.random.default_rng(0), 0
    for _ in range(40):
        those = rng.integers(0, len(ours), wanted)
        shown += ruled(ours[those], theirs[those], rules=Rules(draws=2_000)).outcome == "promoted"
    assert 0.6 <= shown / 40 <= 0.97
    assert f"about {finding.more:,} more queries would show it" in ruled(ours, theirs).sentence


@pytest.mark.parametrize(
    ("groups", "margin", "most"), [(20, 0.05, 0.06), (50, 0.02, 0.06), (200, 0.02, 0.08), (500, 0.02, 0.08)]
)
def test_one_that_fell_by_the_margin_does_not_get_by_for_want_of_answers_that_differ(groups, margin, most):
    """A perfect champion, and a challenger that fails each query by chance: of few queries it often fails none."""
    rng, rules = np.random.default_rng(0), Rules(margin=margin, draws=1000)
    theirs = np.ones(groups, bool)
    passed = sum(ruled(rng.random(groups) >= margin, theirs, rules=rules).outcome == "promoted" for _ in range(200))
    assert passed / 200 <= most


@pytest.mark.parametrize(("wins", "outcome"), [(3, "inconclusive"), (4, "inconclusive"), (6, "promoted")])
def test_few_answers_that_differ_are_weighed_as_an_exact_test_would(wins, outcome):
    """Of models that are alike, 3 of 3 differ the one way in an eighth of cases: binomial, by hand; 6 of 6 in a 64th."""
    assert ruled(*two(wins, 0, 100, 100)).outcome == outcome


def test_a_query_that_several_recalls_are_taken_of_counts_once():
    ours, theirs = two(40, 5)

    def side(label, right):
        tallies = [{"rows": "r", "column": "rank", "at_most": k} for k in (1, 5)]
        rows = {
            "r": pa.table(
                {
                    "query": [f"{at}" for at in range(145)],
                    "group": [f"{at}" for at in range(145)],
                    "rank": np.where(right, 1, 9),
                }
            )
        }
        return Evaluated(
            label=label, metrics={M: {"value": 0.0, "unit": "fraction", "better": "up", "tallies": tallies}}, rows=rows
        )

    assert compared(side("a", ours), side("b", theirs), M, Rules(), 0).queries == 145
    fewer = side("b", theirs)
    fewer.metrics[M]["tallies"].pop()
    with pytest.raises(DataError, match="counted over other rows"):
        judge(side("a", ours), fewer, Rules())


def ways(label, right, **ways_of):
    """Return an evaluation of which one metric is the mean over ways to ask the same queries, each answered alike."""
    wheres = [dict(zip(ways_of, one, strict=True)) for one in product(*ways_of.values())]
    names = [f"q{at}" for at in range(len(right))]
    rows = pa.concat_tables(
        pa.table({"query": names, "group": names, "right": right, **{name: [its] * len(right) for name, its in where.items()}})
        for where in wheres
    )  # fmt: skip
    tallies = [{"rows": "r", "column": "right", "where": where} for where in wheres]
    metrics = {M: {"value": float(right.mean()), "unit": "fraction", "better": "up", "tallies": tallies, "data": "d"}}
    return Evaluated(label=label, metrics=metrics, rows={"r": rows})


def test_a_tie_by_other_numbers_is_no_advantage_that_more_queries_would_show():
    """Sums of the same shares in another order differ in their last bit: 3 won and 8 lost of 100 is a fall by 0.05, whatever both have right."""
    rules = Rules(margin=0.05)
    for both in range(90):
        ours, theirs = two(3, 8, both, 89 - both)
        found = compared(evaluated("a", {M: ours}), evaluated("b", {M: theirs}), M, rules, 0)
        assert found.value == pytest.approx(-0.05, abs=1e-12)
        assert found.more(-0.05, rules) is None
        assert ruled(ours, theirs, rules=rules).outcome == "kept"


def test_a_margin_beyond_every_share_is_kept_to_and_ends_in_no_error():
    assert ruled(*two(3, 8), rules=Rules(margin=2.0)).outcome == "promoted"


def test_how_many_more_would_show_that_nothing_was_lost_counts_what_else_can_be_known():
    """Of answers that do not differ draws say at once that they are alike; what decides is that others could."""
    same = np.tile([1.0, 0.0], 50)
    found = compared(evaluated("a", {M: same}), evaluated("b", {M: same}), M, Rules(), 0)
    more = found.more(-0.01, Rules())
    assert found.above(-0.01) > Rules().alpha
    for share, shown in ((1.0, True), (0.9, False)):
        longer = np.resize(same, len(same) + round(share * more))
        again = compared(evaluated("a", {M: longer}), evaluated("b", {M: longer}), M, Rules(), 0)
        assert (again.above(-0.01) <= Rules().alpha) == shown


@pytest.mark.parametrize(
    ("ways_of", "times"),
    [
        ({"change": ["blur", "snow"], "strength": [1, 2, 3]}, 1),  # a mean of robustness
        ({"shots": [4], "draw": [0, 1, 2, 3, 4]}, 1),  # few-shot
        ({"direction": ["image_to_text", "text_to_image"]}, 2),  # a picture that looks for a text is not the text that looks for it
    ],
    ids=["spoilt", "drawn", "two ways"],
)  # fmt: skip
def test_a_query_counts_once_however_often_it_is_asked_again(ways_of, times):
    """How many more are needed is of queries to find, and not of times to ask them."""
    ours, theirs = two(30, 22, 100, 100)
    alone = compared(evaluated("a", {M: ours}), evaluated("b", {M: theirs}), M, Rules(), 0)
    again = compared(ways("a", ours, **ways_of), ways("b", theirs, **ways_of), M, Rules(), 0)
    assert (again.queries, again.groups) == (252 * times, 252)
    assert again.more(0.0, Rules()) == pytest.approx(times * alone.more(0.0, Rules()), rel=0.1)
    (_, line) = study({"b": [ways("b", theirs, **ways_of)], "a": [ways("a", ours, **ways_of)]})
    assert line.queries == 252 * times


def test_queries_of_draws_that_leave_others_are_all_of_them():
    tallies = [Tally(rows="r", column="right", where={"draw": draw}) for draw in (0, 1)]
    assert distinct_queries(tallies, [pa.table({"query": ["a", "b"]}), pa.table({"query": ["b", "c", "d"]})]) == 4


def test_the_same_model_again_is_not_better_however_many_queries():
    same = np.arange(300) % 3 == 0
    ruling = ruled(same, same)
    assert ruling.outcome == "kept"
    assert "more queries" not in ruling.sentence


def test_captions_of_a_picture_count_once_and_not_five_times():
    ours, theirs = two(14, 6, 40, 40)
    alone = ruled(ours, theirs).findings[0]
    five = ruled(np.repeat(ours, 5), np.repeat(theirs, 5), np.repeat(np.arange(100), 5)).findings[0]
    assert (five.queries, five.groups) == (500, 100)
    assert (five.low, five.high) == pytest.approx((alone.low, alone.high), abs=0.01)
    apart = ruled(np.repeat(ours, 5), np.repeat(theirs, 5)).findings[0]
    assert apart.high - apart.low < 0.6 * (five.high - five.low), (
        "taken for 500 of their own, the interval is too short"
    )


def test_with_a_margin_it_must_be_shown_not_to_lose_by_more():
    rules = Rules(margin=0.05)
    assert ruled(*two(10, 12, 500, 500), rules=rules).outcome == "promoted"
    assert ruled(*two(10, 12, 40, 40), rules=rules).outcome == "inconclusive"
    assert ruled(*two(5, 150, 300, 300), rules=rules).outcome == "kept"


def test_less_is_better_where_the_metric_says_so():
    ours, theirs = two(40, 5)
    worse = judge(
        evaluated("clip@3", {M: ours}, better="down"), evaluated("clip@2", {M: theirs}, better="down"), Rules()
    )
    assert worse.outcome == "kept"
    assert worse.findings[0].difference < 0


@pytest.mark.parametrize(
    ("tier", "fall", "outcome"),
    [
        ("critical", two(5, 60, 100, 100), "kept"), ("supporting", two(5, 60, 100, 100), "kept"),
        ("advisory", two(5, 60, 100, 100), "promoted"), ("critical", two(20, 26, 50, 50), "inconclusive"),
        ("supporting", two(20, 26, 50, 50), "promoted"), ("critical", two(10, 10, 600, 600), "promoted"),
    ],
)  # fmt: skip
def test_what_follows_where_a_guard_falls_depends_on_its_tier(tier, fall, outcome):
    ours, theirs = two(60, 5)
    rules = Rules(guards=(Guard(metric="guard", margin=0.02, tier=tier),))
    ruling = judge(
        evaluated("clip@3", {M: ours, "guard": fall[0]}), evaluated("clip@2", {M: theirs, "guard": fall[1]}), rules
    )
    assert ruling.outcome == outcome
    assert ruling.findings[1].rule == tier


def test_of_many_guards_one_is_named_only_where_it_fell_by_more_than_chance_would_have_it():
    """By hand: 0.02 is below 0.05, but not below a third of it; 0.001 is, and then 0.02 is held against a half."""
    assert fallen({"a": 0.02, "b": 0.3, "c": 0.9}, 0.05) == set()
    assert fallen({"a": 0.02, "b": 0.3, "c": 0.001}, 0.05) == {"a", "c"}
    assert fallen({"a": 0.03, "b": 0.3, "c": 0.001}, 0.05) == {"c"}
    assert fallen({}, 0.05) == set()


def test_metrics_of_several_tables_are_the_mean_of_what_each_gives():
    """Two directions with 100 and 300 queries: their mean, not that of all queries together."""
    there, back = two(30, 10, 30, 30), two(30, 60, 105, 105)

    def side(label, which):
        return Evaluated(
            label=label,
            metrics={M: {"value": 0.0, "unit": "fraction", "better": "up", "tallies": [
                {"rows": "r", "column": "rank", "where": {"direction": way}, "at_most": 1} for way in ("there", "back")
            ]}},
            rows={"r": pa.table({
                "query": [f"{at}" for at in range(100)] + [f"{at}" for at in range(300)],
                "group": [f"{at}" for at in range(100)] + [f"{at % 100}" for at in range(300)],
                "direction": ["there"] * 100 + ["back"] * 300,
                "rank": np.where(np.concatenate([there[which], back[which]]), 1, 7),
            })},
        )  # fmt: skip

    found = compared(side("a", 0), side("b", 1), M, Rules(), 0)
    assert found.value == pytest.approx((0.2 - 0.1) / 2)
    assert (found.queries, found.groups) == (400, 100)


@pytest.mark.parametrize(
    ("bound", "outcome", "says"),
    [
        (Bound(metric=M, at_least=0.6), "promoted", "within"), (Bound(metric=M, at_least=0.7), "kept", "at least 70.0%"),
        (Bound(metric="flops", at_most=900.0), "kept", "at most 900"), (Bound(metric="flops", at_most=1000.0), "promoted", "within"),
        (Bound(metric="flops", at_most_times=1.5), "promoted", "within"), (Bound(metric="flops", at_most_times=0.9), "kept", "0.9 times"),
        (Bound(metric="nothing", at_least=0.0), "kept", "was not measured on it"),
    ],
)  # fmt: skip
def test_bounds_are_kept_whatever_else_is_better(bound, outcome, says):
    ruling = ruled(*two(40, 5), rules=Rules(bounds=(bound,)), flops=1000.0)
    assert ruling.outcome == outcome
    assert says in ruling.findings[-1].says


def test_a_multiple_of_what_the_champion_was_not_measured_on_is_for_a_person():
    ours, theirs = two(40, 5)
    rules = Rules(bounds=(Bound(metric="flops", at_most_times=1.1),))
    ruling = judge(evaluated("clip@3", {M: ours}, flops=9e12), evaluated("clip@2", {M: theirs}), rules)
    assert ruling.outcome == "needs_a_person"


def test_the_first_version_must_keep_its_bounds():
    first = evaluated("clip@1", {M: np.arange(100) < 62})
    assert judge(first, None, Rules()).sentence == "clip@1 is the champion: there was none."
    kept = judge(first, None, Rules(bounds=(Bound(metric=M, at_least=0.7),)))
    assert kept.outcome == "kept"
    assert kept.sentence == f"clip@1 is not served, and nothing is: {M} must be at least 70.0%."


@pytest.mark.parametrize("tier", ["primary", "critical", "supporting", "advisory"])
def test_the_first_version_must_be_measured_on_what_the_rules_name(tier):
    """A set that is not there would else crown whatever comes first, and every challenger would be for a person."""
    first, lacks = evaluated("clip@1", {M: np.arange(100) < 62}), "zero_shot.cifar10.class.top1"
    rules = Rules(primary=lacks) if tier == "primary" else Rules(guards=(Guard(metric=lacks, margin=0.02, tier=tier),))
    ruling = judge(first, None, rules)
    assert [(one.rule, one.metric) for one in ruling.findings] == [(tier, lacks)]
    assert ruling.outcome == ("promoted" if tier == "advisory" else "kept")
    if tier != "advisory":
        assert ruling.sentence.startswith(f"clip@1 is not served, and nothing is: {lacks} was not measured of clip@1")
    has = evaluated("clip@1", {M: np.arange(100) < 62, lacks: np.arange(100) < 9})
    assert judge(has, None, rules).outcome == "promoted", "however little it can: it has nobody to beat"


def test_what_is_missing_is_a_no_of_the_challenger_and_a_question_of_the_champion():
    ours, theirs = two(40, 5)
    rules = Rules(guards=(Guard(metric="new", margin=0.02, tier="critical"),))
    has, has_not = {M: ours, "new": ours}, {M: theirs}
    assert judge(evaluated("clip@3", has_not), evaluated("clip@2", has), rules).outcome == "kept"
    asked = judge(evaluated("clip@3", has), evaluated("clip@2", has_not), rules)
    assert asked.outcome == "needs_a_person"
    assert "clip@2, the champion, was not measured on it" in asked.sentence
    lighter = Rules(guards=(Guard(metric="new", margin=0.02, tier="advisory"),))
    assert judge(evaluated("clip@3", has_not), evaluated("clip@2", has), lighter).outcome == "kept", "worse besides"
    assert judge(evaluated("clip@3", has), evaluated("clip@2", has_not), lighter).outcome == "promoted"


@pytest.mark.parametrize(
    ("held", "outcome"), [("holds", "promoted"), ("fails", "kept"), ("uncertain", "needs_a_person")]
)
def test_what_was_found_besides_counts_too(held, outcome):
    also = [Finding(rule="leakage", metric="leakage", held=held, says="says so")]
    ours, theirs = two(40, 5)
    ruling = judge(evaluated("clip@3", {M: ours}), evaluated("clip@2", {M: theirs}), Rules(), also=also)
    assert ruling.outcome == outcome


def with_leaks(keys):
    """Return an evaluation that is better, and of whose pool these pictures were trained on."""
    better = evaluated("clip@3", {M: two(40, 5)[0]})
    leaked = [f"q{at:06d}" in keys for at in range(145)]
    rows = pa.table({"split": ["pair"] * 145, "query": [f"q{at:06d}" for at in range(145)], "leaked": leaked})
    metric = {"value": sum(leaked) / 145, "n": 145, "unit": "fraction", "better": "down"}
    return replace(better, metrics={**better.metrics, "leakage.pair": metric}, rows={**better.rows, "leakage": rows})


def test_an_evaluation_of_pictures_trained_on_proves_nothing_and_names_them():
    champion = evaluated("clip@2", {M: two(40, 5)[1]})
    assert judge(with_leaks([]), champion, Rules()).outcome == "promoted"
    ruling = judge(with_leaks(["q000007", "q000009"]), champion, Rules())
    assert ruling.outcome == "kept"
    assert "2 of 145 pictures of pair were trained on, such as q000007, q000009" in ruling.sentence
    assert judge(with_leaks(["q000007"]), None, Rules()).outcome == "kept", "the first too"
    many = judge(with_leaks([f"q{at:06d}" for at in range(9)]), champion, Rules())
    assert "q000004 and others" in many.sentence


@pytest.mark.parametrize(
    ("licences", "asked", "outcome"),
    [
        ({"CC0-1.0": 7}, "stated", "promoted"), ({"CC0-1.0": 7, "NOASSERTION": 1}, "stated", "needs_a_person"),
        ({}, "stated", "needs_a_person"), ({"NOASSERTION": 1}, "any", "promoted"),
    ],
)  # fmt: skip
def test_licences_that_nobody_stated_are_for_a_person_where_the_rules_say_so(licences, asked, outcome):
    ours, theirs = two(40, 5)
    challenger = replace(evaluated("clip@3", {M: ours}), licences=licences)
    assert judge(challenger, evaluated("clip@2", {M: theirs}), Rules(licences=asked)).outcome == outcome


def test_few_groups_show_nothing():
    ours, theirs = np.repeat([True] * (FEWEST - 1), 9), np.repeat([False] * (FEWEST - 1), 9)
    ruling = ruled(ours, theirs, np.repeat(np.arange(FEWEST - 1), 9))
    assert ruling.outcome == "inconclusive"
    assert f"there are {FEWEST - 1} groups" in ruling.sentence


def test_other_queries_are_refused_and_so_are_rows_that_are_no_numbers():
    ours, theirs = two(40, 5)
    other = evaluated("clip@2", {M: theirs}, names=[f"p{at}" for at in range(len(theirs))])
    with pytest.raises(DataError, match="not asked the same queries"):
        judge(evaluated("clip@3", {M: ours}), other, Rules())
    broken = theirs.astype(float)
    broken[3] = np.nan
    with pytest.raises(DataError, match="no numbers"):
        ruled(ours, broken)
    twice = evaluated("clip@3", {M: ours}, names=["a"] * len(ours))
    with pytest.raises(DataError, match="the query 'a' twice"):
        judge(twice, twice, Rules())


def test_the_ruling_follows_from_the_seed_and_can_be_written_down():
    sides = [evaluated(label, {M: one}) for label, one in zip(("clip@3", "clip@2"), two(22, 14), strict=True)]
    one, again, other = (judge(*sides, Rules(), seed=seed) for seed in (0, 0, 1))
    assert one == again != other
    assert json.loads(json.dumps(one.as_json()))["findings"][0]["metric"] == M
    said = table(one)
    assert one.sentence in said
    assert f"| primary | {M} | uncertain: not shown to be better, nor the contrary |" in said


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: Rules(margin=-0.1), "Give 0 for a win"), (lambda: Rules(alpha=0.6), "alpha is 0.6"),
        (lambda: Rules(draws=100), "too few to count"),
        (lambda: Rules(draws=1000, guards=tuple(Guard(metric=f"{at}", margin=0.1) for at in range(11))), "shared by 11 guards"), (lambda: Guard(metric="a", margin=0.0), "endless"),
        (lambda: Bound(metric="a"), "bounds nothing"),
        (lambda: Rules(guards=(Guard(metric="a", margin=1.0), Guard(metric="a", margin=2.0))), "names a twice"),
    ],
)  # fmt: skip
def test_rules_that_cannot_be_meant_are_refused(wrong, match):
    with pytest.raises(ConfigError, match=match):
        wrong()
