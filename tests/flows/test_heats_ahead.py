"""How a race goes on, from first heats whose truth is known."""

import pytest

from components.contracts.errors import ConfigError
from flows.estimating.heats_ahead import heats_ahead, paces
from flows.estimating.pace import Mark

WAYS = ("lora", "last layers", "whole")


def first_heats(a_step, once, scores):
    """Return the first heats as a race writes them down, the best last, and their marks."""
    heats, marks, at = [], [], 0.0
    for name in WAYS:
        began = at
        for done in range(1, 9):
            at += a_step[name] * (5 if done < 3 else 1) + (0.7 if done == 8 else 0.0)
            marks.append(Mark(at_s=at, doing="training", done=done, total=8))
        at = began + once[name] + 8 * a_step[name]
        heats.append({"name": name, "steps": 8, "score": scores[name], "seconds": at - began})
    best = max(heats, key=lambda heat: heat["score"])
    return [*(heat for heat in heats if heat is not best), best], marks


A_STEP = {"lora": 0.1, "last layers": 0.05, "whole": 0.2}
ONCE = {"lora": 9.0, "last layers": 2.0, "whole": 2.5}  # the first imports what the others use


def test_the_race_goes_on_as_it_would_and_each_heat_takes_what_its_steps_take():
    heats, marks = first_heats(A_STEP, ONCE, {"lora": 0.2, "last layers": 0.5, "whole": 0.4})
    ahead = heats_ahead(heats, marks, WAYS, budget_s=2000.0, most=400)
    assert [(heat.name, heat.steps) for heat in ahead.heats] == [
        ("lora", 100), ("last layers", 100), ("whole", 100), ("last layers", 200), ("whole", 200), ("last layers", 400),
    ]  # fmt: skip
    assert ahead.heats[0].seconds == pytest.approx(2.5 + 10.0), "what was imported is not imported again"
    assert ahead.heats[-1].seconds == pytest.approx(2.0 + 20.0)
    assert ahead.in_words == (
        "8 steps of each way, then 100 steps of lora, last layers and whole, 200 steps of last layers and whole, 400 steps of last layers"
    )
    assert ahead.as_json()["first_heats_s"] == pytest.approx(sum(heat["seconds"] for heat in heats), abs=1e-3)


def test_all_of_it_lies_within_the_budget():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    for budget in (40.0, 60.0, 600.0):
        ahead = heats_ahead(heats, marks, WAYS, budget_s=budget, most=10**6)
        assert ahead.least_s + ahead.seconds <= budget


def test_a_budget_without_room_for_more_says_so_and_one_that_is_too_short_says_the_least():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    assert heats_ahead(heats, marks, WAYS, budget_s=30.0, most=400).in_words.endswith("no room for more")
    with pytest.raises(ConfigError, match="Give at least 37 s"):
        heats_ahead(heats, marks, WAYS, budget_s=5.0, most=400)


def test_where_no_more_steps_are_asked_for_that_is_said_and_not_that_there_is_no_room():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    for most in (8, 10):  # at 10 the rounds that are shorter than the first heats are not run
        ahead = heats_ahead(heats, marks, WAYS, budget_s=2000.0, most=most)
        assert (ahead.in_words, ahead.seconds) == ("8 steps of each way, as many as are asked for", 0.0)
    few = [{**heat, "steps": 4} for heat in heats]
    assert heats_ahead(few, marks, WAYS, budget_s=2000.0, most=4).in_words.startswith("4 steps of each way, as many")


def test_a_soup_of_the_first_heats_is_no_way_and_its_steps_are_theirs():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    soup = {"name": "soup of lora and whole", "steps": 16, "score": 0.9, "seconds": 50.0}
    with_it, without = (heats_ahead([*more, *heats], marks, WAYS, budget_s=2000.0, most=400) for more in ([soup], []))
    assert with_it == without
    assert with_it.in_words.startswith("8 steps of each way, then 100 steps of lora")


def test_what_ways_that_tune_nothing_took_is_in_the_budget_that_is_asked_for():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    frozen = {"name": "cache", "steps": 0, "score": 0.9, "seconds": 20.0}
    with pytest.raises(
        ConfigError, match=r"there are 30 s, of which ways that tune nothing took 20 s.*Give at least 64 s"
    ):
        heats_ahead([frozen, *heats], marks, WAYS, budget_s=30.0, most=400)


def test_a_step_is_told_without_the_first_ones_and_the_last():
    _, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    assert paces(marks) == pytest.approx([A_STEP[name] for name in WAYS])


def test_a_way_that_broke_in_its_first_heat_has_no_heats_ahead():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    rolled_back = [*marks[:5], *marks[:1]]
    several = [*marks[:8], *rolled_back, *marks[8:]]
    assert paces(several) == pytest.approx([A_STEP[name] for name in WAYS])
    order = (WAYS[0], "locked image", *WAYS[1:])
    with_it = heats_ahead(heats, several, order, budget_s=60.0, most=400)
    assert with_it == heats_ahead(heats, marks, WAYS, budget_s=60.0, most=400)
    assert with_it.heats


def test_what_broke_takes_of_the_budget_and_is_not_run_again():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    after, none = (heats_ahead(heats, marks, WAYS, budget_s=1000.0, most=10**6, broken_s=of) for of in (300.0, 0.0))
    assert after.seconds < none.seconds
    assert {heat.name for heat in after.heats} == set(WAYS)
    assert after.least_s == none.least_s + 300.0
    with pytest.raises(ConfigError, match=r"of which ways that broke took 5\.0 minutes"):
        heats_ahead(heats, marks, WAYS, budget_s=301.0, most=400, broken_s=300.0)


def test_ways_that_tune_nothing_take_of_the_budget_and_are_not_run_again():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    frozen = [{"name": "cache", "steps": 0, "score": 0.9, "seconds": 100.0}]
    with_them, without = (
        heats_ahead([*more, *heats], marks, WAYS, budget_s=1000.0, most=10**6) for more in (frozen, [])
    )
    assert with_them.seconds < without.seconds
    assert {heat.name for heat in with_them.heats} == set(WAYS)


def test_what_came_on_top_of_a_tuning_was_behind_the_race_and_takes_nothing_of_its_budget():
    heats, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    frozen = {"name": "cache", "steps": 0, "score": 0.9, "seconds": 20.0}
    on_top = [{**frozen, "name": name} for name in ("lora + cache", "soup of lora and whole + cache")]
    with_it, without = (
        heats_ahead([frozen, *heats, *more], marks, WAYS, budget_s=1000.0, most=10**6) for more in (on_top, [])
    )
    assert with_it == without
    assert not heats_ahead([frozen, *heats, *on_top], marks, WAYS, budget_s=51.0, most=400).heats, "and no refusal"


def test_labels_for_which_a_budget_has_no_room_to_tune_are_told_apart_all_the_same():
    """One of three ways was tried, and then there was no room for the others."""
    _, marks = first_heats(A_STEP, ONCE, dict.fromkeys(WAYS, 0.5))
    frozen = {"name": "cache", "steps": 0, "score": 0.9, "seconds": 3.0}
    why = "there are 5 s, but to try each of 3 ways for 8 steps takes about 30 s. Give at least 38 s, or fewer ways."
    ahead = heats_ahead([frozen], marks[:8], WAYS, budget_s=5.0, most=400, untuned=why)
    assert (ahead.seconds, ahead.as_json()) == (0.0, {"heats_ahead": [], "first_heats_s": 0.0})
    assert ahead.in_words == f"nothing is tuned: {why.removesuffix('.')}"
