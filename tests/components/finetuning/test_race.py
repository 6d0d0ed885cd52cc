"""Successive halving on tunings whose worth is told."""

import pytest

from components.contracts.errors import ConfigError
from components.finetuning.race import FIRST, Broken, Heat, race, too_short

WORTH = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.2}


def runner(worth, a_step=0.1, late=()):
    """Return `run` and what was run; those that are late show their worth after 30 steps alone."""
    ran = []

    def run(name, steps):
        ran.append((name, steps))
        score = worth[name] if name not in late or steps > 30 else 0.0
        return Heat(name=name, steps=steps, score=score, seconds=a_step * steps)

    return run, ran


def test_all_run_shortly_then_the_better_half_twice_as_long_until_one_is_left():
    run, ran = runner(WORTH)
    heats = race(list(WORTH), run, budget_s=60.0, most=1000)
    assert [name for name, steps in ran if steps == FIRST] == ["a", "b", "c", "d"]
    (first, second, third) = sorted({steps for _, steps in ran if steps > FIRST})
    assert (second, third) == (2 * first, 4 * first)
    assert [name for name, steps in ran if steps == second] == ["b", "c"]
    assert [name for name, steps in ran if steps == third] == ["b"]
    assert (heats[-1].name, heats[-1].steps) == ("b", third)
    assert sum(heat.seconds for heat in heats) <= 60.0


@pytest.mark.parametrize("budget", [8.0, 20.0, 100.0, 1000.0])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_the_budget_is_kept_and_used_whatever_the_number(budget, count):
    worth = {f"way{place}": place / 10 for place in range(count)}
    run, _ = runner(worth, a_step=0.05)
    heats = race(list(worth), run, budget_s=budget, most=10**6)
    spent = sum(heat.seconds for heat in heats)
    assert spent <= budget
    assert spent > 0.4 * budget or heats[-1].steps == FIRST
    assert heats[-1].name == f"way{count - 1}"


def test_no_heat_is_longer_than_the_most():
    run, ran = runner(WORTH)
    race(list(WORTH), run, budget_s=10_000.0, most=100)
    assert max(steps for _, steps in ran) == 100


def test_one_that_shows_late_wins_where_heats_are_long_enough():
    run, _ = runner(WORTH | {"d": 0.9}, late=("d",))
    assert race(list(WORTH), run, budget_s=100.0, most=1000)[-1].name == "d"


def test_of_equals_the_first_is_taken():
    run, _ = runner(dict.fromkeys(WORTH, 0.5))
    assert race(list(WORTH), run, budget_s=60.0, most=1000)[-1].name == "a"


def test_a_budget_that_is_too_short_says_the_least():
    run, ran = runner(WORTH, a_step=1.0)
    with pytest.raises(
        ConfigError,
        match=r"there are 20 s, but to try each of 4 ways for 8 steps takes about 32 s. Give at least 40 s, or fewer",
    ):
        race(list(WORTH), run, budget_s=20.0, most=1000)
    assert ran == [("a", FIRST)]


@pytest.mark.parametrize(
    ("least_s", "said"), [(0.3, "about 0.3 s. Give at least 1 s"), (32.0, "about 32 s. Give at least 40 s"), (96.0, "about 96 s. Give at least 120 s"), (1000.0, "about 16.7 minutes. Give at least 21 minutes")],
)  # fmt: skip
def test_the_least_is_said_in_seconds_or_minutes_as_it_is(least_s, said):
    assert said in str(too_short(0.01, least_s, ways=4, steps=8))


def test_what_was_spent_before_counts_and_the_least_that_is_said_is_enough_with_it():
    """With four ways for 8 s, of which 60 s are gone: a soft prompt takes a tenth of a longer budget more."""
    run, _ = runner(WORTH, a_step=1.0)
    with pytest.raises(
        ConfigError,
        match=r"there are 80 s, of which ways that tune nothing took 60 s, but .* takes about 32 s. Give at least 112 s",
    ):
        race(list(WORTH), run, budget_s=80.0, most=1000, spent_s=60.0)
    heats = race(list(WORTH), run, budget_s=112.0, most=1000, spent_s=60.0 + 11.2)
    assert sum(heat.seconds for heat in heats) <= 112.0 - 71.2


def test_where_there_is_time_for_no_more_the_short_heats_decide():
    run, ran = runner(WORTH, a_step=1.0)
    assert race(list(WORTH), run, budget_s=40.0, most=1000)[-1].name == "b"
    assert {steps for _, steps in ran} == {FIRST}


def test_a_race_of_nobody_ends():
    with pytest.raises(ValueError, match="no winner"):
        race([], lambda name, steps: Heat(name=name, steps=steps, score=0.0, seconds=0.0), 60.0, 100)


@pytest.mark.parametrize("last", [FIRST, FIRST + 1])
def test_who_cannot_be_tuned_is_out_with_all_heats_and_the_others_go_on(last):
    """`b`, which would win, breaks in its first heat, or behind it."""
    run, _ = runner(WORTH)

    def breaks(name, steps):
        return run(name, steps) if name != "b" or steps < last else Broken(seconds=0.1)

    heats = race(list(WORTH), breaks, 60.0, 1000)
    assert heats[-1].name == "c"
    assert {heat.name for heat in heats} == {"a", "c", "d"}


def test_who_went_before_wins_where_all_that_were_left_break():
    run, _ = runner(WORTH)
    heats = race(
        list(WORTH),
        lambda name, steps: run(name, steps) if steps == FIRST or name in "ad" else Broken(seconds=0.1),
        60.0,
        1000,
    )
    assert heats[-1].name == "d"
    assert race(list(WORTH), lambda name, steps: Broken(seconds=0.1), 60.0, 1000) == []
    assert (
        race(list(WORTH), lambda name, steps: run(name, steps) if steps == FIRST else Broken(seconds=0.1), 60.0, 1000)
        == []
    )


def test_what_a_heat_took_that_broke_is_out_of_the_budget():
    run, _ = runner(WORTH)
    heats = race(list(WORTH), lambda name, steps: Broken(seconds=40.0) if name == "a" else run(name, steps), 60.0, 1000)
    assert {heat.name for heat in heats} == {"b", "c", "d"}
    assert 0.4 * 20.0 < sum(heat.seconds for heat in heats) <= 20.0


def test_what_broke_is_told_and_counted_where_a_budget_is_too_short():
    run, _ = runner(WORTH, a_step=1.0)

    def breaks(name, steps):
        return Broken(seconds=40.0) if name == "a" else run(name, steps)

    says = r"there are 60 s, of which ways that broke took 40 s, but to try each of 3 ways .* about 24 s. Give at least 70 s"
    with pytest.raises(ConfigError, match=says):
        race(list(WORTH), breaks, budget_s=60.0, most=1000)
    assert len(race(list(WORTH), breaks, budget_s=70.0, most=1000)) == 3
    both = str(too_short(60.0, 8.0, ways=1, steps=8, spent_s=30.0, broken_s=25.0))
    assert "of which ways that tune nothing took 30 s and ways that broke took 25 s, but" in both
    assert "Give at least 73 s" in both
