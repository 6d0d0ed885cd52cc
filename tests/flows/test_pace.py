"""What a training takes, from marks whose truth is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.estimating.pace import Mark, Pace, Plan, middle
from flows.estimating.tried import again

COSTS = st.floats(0.001, 10.0)


def marks_of(plan, step, look, checkpoint, start=3.0, first=2.0, first_look=1.0, first_checkpoint=0.5):
    """Return the marks of a training of that plan, and what all of it took with a second at the end; the first of each takes more."""
    at, marks = start, []
    for done in range(1, plan.steps + 1):
        at += step + (first if done == 1 else 0.0)
        if done in plan.looks:
            at += look + (first_look if done == plan.looks[0] else 0.0)
        if done in plan.checkpoints:
            at += checkpoint + (first_checkpoint if done == plan.checkpoints[0] else 0.0)
        marks.append(Mark(at_s=at, doing="training", done=done, total=plan.steps))
    return marks, at + 1.0


@given(
    step=COSTS,
    look=COSTS,
    checkpoint=COSTS,
    steps=st.integers(25, 5000),
    watch=st.integers(1, 500),
    every=st.integers(1, 500),
)
def test_what_a_short_training_shows_is_what_a_long_one_takes(step, look, checkpoint, steps, watch, every):
    plan = Plan(steps=steps, watch_every=watch, checkpoint_every=every)
    short = plan.shortened(24)
    marks, whole = marks_of(short, step, look, checkpoint)
    once = 3.0 + 1.0 + 2.0 + 1.0 + 0.5
    truth = once + steps * step + len(plan.looks) * look + len(plan.checkpoints) * checkpoint
    assert Pace.of(marks, short, whole).seconds(plan) == pytest.approx(truth, rel=1e-6)


def test_looks_and_checkpoints_happen_when_the_loop_has_them():
    plan = Plan(steps=10, watch_every=4, checkpoint_every=5)
    assert plan.looks == [4, 8, 10]
    assert plan.checkpoints == [5], "none at the last step"


@pytest.mark.parametrize("steps", [24, 60, 240, 1000])
def test_a_short_one_has_three_looks_and_three_checkpoints_apart(steps):
    short = Plan(steps=10**6, watch_every=1, checkpoint_every=1).shortened(steps)
    assert len(short.looks) >= 3
    assert len(short.checkpoints) >= 3
    assert not {*short.looks} & {*short.checkpoints}


def test_one_that_is_no_longer_is_run_as_it_is():
    plan = Plan(steps=8, watch_every=4, checkpoint_every=2)
    assert plan.shortened(24) is plan
    marks, whole = marks_of(plan, 0.1, 0.2, 0.3)
    assert Pace.of(marks, plan, whole).seconds(plan) == pytest.approx(whole)


def test_marks_of_another_training_are_refused():
    plan = Plan(steps=8, watch_every=4, checkpoint_every=2)
    with pytest.raises(ValueError, match="0 steps were told of, and 8 were planned"):
        Pace.of([Mark(at_s=1.0, doing="passing through", done=1, total=4)], plan, 2.0)


def test_what_happened_once_to_a_few_does_not_count():
    assert middle([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 60.0]) == 1.0
    assert middle([2.0]) == 2.0


def test_a_longer_try_gives_the_steps_and_the_first_one_what_is_there_but_once():
    plan = Plan(steps=24, watch_every=8, checkpoint_every=5)
    first = Pace(fixed=12.0, step=0.2, look=0.1, checkpoint=0.1)
    longer = Pace(fixed=3.0, step=0.1, look=0.2, checkpoint=0.05)
    both = again(first, plan, longer)
    assert (both.step, both.look, both.checkpoint) == (0.1, 0.2, 0.05)
    assert both.seconds(plan) == pytest.approx(first.seconds(plan))
