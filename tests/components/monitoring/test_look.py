"""A look tells drift, broken budgets and deaths from what is usual; says what it cannot tell; and asks for nothing twice."""

import json
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from components.contracts.errors import StaleArtifact, TransientError
from components.contracts.monitor import Watch
from components.monitoring.budgets import Counts
from components.monitoring.drift import look_for_drift, outcome_of
from components.monitoring.events import BUDGET, DIED, DRIFT
from components.monitoring.look import World, look
from components.monitoring.reference import of_requests
from components.monitoring.state import DEPLOYS, State
from tests.components.monitoring.conftest import NOW, WATCH, Served, directions, requests_of


def lines(seen):
    return {(line.of, line.test): line.outcome for line in seen.drift}


def test_of_few_rows_it_is_said_how_many_are_needed_and_never_that_there_is_no_drift(served):
    served.ask(directions(5, 20))
    seen = served.look()
    assert seen.outcome == "cannot tell"
    says = {line.of: line.says for line in seen.drift}
    assert says["texts"] == "20 distinct texts, and 60 are needed: 40 more"
    assert "no drift" not in seen.sentence.lower()
    assert {one.held for one in seen.budgets} == {"cannot tell"}
    assert (served.told, seen.is_well) == ([], True)


@pytest.mark.parametrize("least_rows", [10, 15])
def test_a_part_of_the_window_that_has_too_few_rows_for_a_test_has_no_place_in_the_picture(served, least_rows):
    served.ask(directions(5, 3))
    served.ask(directions(6, 4), at=NOW - timedelta(hours=23))
    distances = served.look(replace(WATCH, least_rows=least_rows)).distances["text"]
    assert [one is None for one in distances] == [False, *[True] * (len(distances) - 1)]


def test_who_repeats_himself_is_one_witness(served):
    served.ask(np.repeat(directions(5, 20, shift=3), 20, axis=0))
    assert {line.of: line.rows for line in served.look().drift}["texts"] == 20


def test_requests_as_the_index_are_no_drift_and_others_are(served):
    served.ask(directions(5, 150), scores=[0.7] * 150)
    served.ask(directions(6, 150), side="image")
    assert lines(served.look())[("texts", "mmd")] == "no drift found"
    served.ask(directions(7, 150, shift=1), side="image", at=NOW + timedelta(hours=20))
    later = served.look(now=NOW + timedelta(hours=30))
    assert lines(later)[("pictures", "mmd")] == lines(later)[("pictures", "classifier")] == "drift"
    assert later.outcome == "drift"
    assert served.told[-1].name == DRIFT
    assert "pictures" in later.sentence


def test_scores_that_fell_are_found_in_their_language_alone(served):
    usual = np.random.default_rng(0).uniform(0.4, 0.6, size=(2, 120))
    watch = type(WATCH)(**{**vars(WATCH), "reference": "before"})
    for at, scores in ((NOW - timedelta(days=2), usual), (NOW - timedelta(hours=2), usual - [[0.0], [0.15]])):
        for lang, its in zip(("de", "ja"), scores, strict=True):
            served.ask(directions(len(served.told) + (lang == "ja"), 120), at=at, lang=lang, scores=its)
    found = {line.of: line.outcome for line in served.look(watch).drift if line.test == "ks"}
    assert found == {"scores in de": "no drift found", "scores in ja": "drift"}


def test_another_model_s_requests_are_not_looked_at(served):
    served.ask(directions(5, 100, shift=3), digest="b" * 64)
    assert len(served.look().requests) == 0


def test_of_looks_without_drift_as_many_say_drift_as_alpha_says(served):
    """Over texts, pictures and two languages at once."""
    watch, draws, found = type(WATCH)(**{**vars(WATCH), "least_rows": 40}), 200, []
    for seed in range(draws):
        now, usual = requests_of(10_000 + seed, 80), of_requests(requests_of(20_000 + seed, 80), 80, seed)
        found.append(outcome_of(look_for_drift(now, usual, watch, seed)))
    assert set(found) <= {"drift", "no drift found"}
    assert found.count("drift") <= binom.ppf(0.999, draws, watch.alpha)


@pytest.mark.parametrize("languages", [16, 17, 40])
def test_the_kernel_test_shows_drift_by_itself_among_however_many_tests(languages):
    """Texts went two ways from where they were, so that no line tells them apart. Of 2,000 permutations the rarest is one in 2,001; 21 tests ask for one in 2,100."""
    langs, watch, count = [f"x{at}" for at in range(languages)], Watch(least_rows=40, most_rows=200), 40 * languages
    texts = directions(5, count)
    texts[:, 1] += np.tile([1, -1], count // 2)
    usual = of_requests(requests_of(1, count, langs), watch.most_rows, 0)
    found = look_for_drift(requests_of(2, count, langs, texts), usual, watch, 0)
    assert sum(line.p_value is not None for line in found) == 4 + languages
    assert [(line.of, line.test) for line in found if line.outcome == "drift"] == [("texts", "mmd")]


def test_without_a_server_that_embeds_the_look_says_so_and_goes_on(served):
    served.ask(directions(5, 100), status=503)

    def dead(endpoint):
        raise TransientError("it does not answer")

    seen = look(served.root, WATCH, 0, World(embed=dead, counts=lambda: None, now=lambda: NOW))
    assert seen.outcome == "cannot tell"
    assert "does not embed its own texts" in seen.sentence
    assert {one.name: one.held for one in seen.budgets} == {"errors": "broken", "latency": "kept"}


def test_a_budget_that_breaks_soon_after_a_deploy_asks_for_a_rollback_and_later_for_nothing(served):
    served.deploy("c" * 64, started=NOW - timedelta(minutes=10))
    served.ask(directions(5, 100), side="image", status=500, digest="c" * 64)
    assert [(event.name, event.asks) for event in served.look().events] == [(BUDGET, "rollback")]
    served.ask(directions(6, 200), side="image", status=500, digest="c" * 64, at=NOW + timedelta(days=2))
    later = served.look(now=NOW + timedelta(days=2, hours=1))
    assert [(event.name, event.asks) for event in later.events] == [(BUDGET, "")]
    assert served.asked() == ["rollback"]


def test_a_package_that_was_rolled_back_to_is_not_rolled_back_again_however_many_came_and_went(served):
    """Each is served for some minutes; the first, which answered for long, comes back each time, and was just started again."""
    for at in range(DEPLOYS + 1):
        now = NOW + timedelta(hours=at)
        served.deploy(f"{at:064}", started=now)
        served.look(now=now)
        served.deploy(started=now)
        served.look(now=now)
    served.ask(directions(5, 100), side="image", status=500, at=now)
    assert [(event.name, event.asks) for event in served.look(now=now + timedelta(minutes=5)).events] == [(BUDGET, "")]
    state = State.read(served.root / ".diptych/monitor")
    assert (list(state.deployed)[-1], len(state.deployed)) == ("a" * 64, DEPLOYS)


def test_what_failed_before_a_deploy_or_elsewhere_is_not_put_down_to_it(served):
    served.deploy("c" * 64, started=NOW - timedelta(minutes=10))
    served.counts = Counts(requests=1_000, failed=500)
    served.of_version = Counts(requests=400, failed=0)
    assert [(event.name, event.asks) for event in served.look().events] == [(BUDGET, "")], (
        "of the first sight of it nothing is known"
    )
    served.counts = Counts(requests=2_000, failed=1_000)
    served.of_version = Counts(requests=900, failed=0)
    assert [(event.name, event.asks) for event in served.look().events] == [(BUDGET, "")], "the others failed"
    served.counts = Counts(requests=3_000, failed=1_500)
    served.of_version = Counts(requests=1_900, failed=500)
    assert [(event.name, event.asks) for event in served.look().events] == [(BUDGET, "rollback")]


def test_an_action_is_not_asked_for_again_before_it_has_cooled_down(served):
    served.ask(directions(5, 150, shift=2))
    for minutes in (0, 15, 30):
        assert served.look(now=NOW + timedelta(minutes=minutes)).outcome == "drift"
    assert served.asked() == ["pipeline"]
    assert [event.name for event in served.told] == [DRIFT] * 3  # it is told all the same
    served.ask(directions(6, 150, shift=2), at=NOW + timedelta(hours=24))
    served.look(now=NOW + timedelta(hours=25))
    assert served.asked() == ["pipeline"] * 2


def test_what_nobody_heard_was_not_asked_for(served):
    served.ask(directions(5, 150, shift=2))
    served.fails = True
    assert "not told: nobody there" in served.look().events[0].says
    assert served.look(acts=False).events[0].asks == ""
    served.fails = False
    served.look()
    assert served.asked() == ["pipeline"]


def _look(root: str, told: str) -> None:
    served = Served(Path(root))

    def tell(events):
        for event in events:
            if event.asks:
                (Path(told) / event.id).write_text(event.asks)

    served.tell = tell  # type: ignore[method-assign]
    served.look()


def test_of_two_monitors_at_once_one_asks(served, tmp_path):
    served.ask(directions(5, 150, shift=2))
    told = tmp_path / "told"
    told.mkdir()
    context = get_context("spawn")
    both = [context.Process(target=_look, args=(str(served.root), str(told))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(120)
    assert [one.exitcode for one in both] == [0, 0]
    assert [path.read_text() for path in told.iterdir()] == ["pipeline"]


def test_who_died_is_told_once(served):
    line = f"{NOW - timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ} keeper: "
    old = f"{NOW - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ} keeper: a worker ended with code -9; another starts in 1 s"
    served.log(
        old,
        f"{line}a worker ended with code -9; another starts in 1 s",
        "Traceback: keeper: a worker ended with code 1;",
    )
    served.log(
        f"{line}drawn@1 (process 12) does not answer: no answer Starting another.",
        f"{line}drawn@1 answers again (process 13)",
    )
    seen = served.look()
    assert [one.of for one in seen.deaths] == ["worker", "server"]
    assert [event.name for event in seen.events] == [DIED, DIED]
    assert served.look().deaths == []
    served.log(
        f"{line}drawn@2, beside the champion, has ended; it gets no requests",
        f"{line}drawn@3, beside the champion, nobody watches over it any more; it gets",
    )
    log = served.root / ".diptych/served/gateway.log"
    log.replace(log.with_suffix(".log.1"))  # as a gateway does that is started again on a large one
    served.log(f"{line}a worker ended with code 0; another starts in 2 s")
    assert [one.of for one in served.look().deaths] == ["beside", "worker"]


def test_page_and_events_are_written_for_others(served):
    served.ask(directions(5, 150, shift=2), scores=np.linspace(0.2, 0.4, 150))
    seen = served.look()
    folder = served.root / ".diptych" / "monitor"
    page = (folder / "report.html").read_text()
    assert all(f"id='{name}'" in page for name in ("drift", "scores", "answers", "died", "events"))
    assert all(one in page for one in ("Scores in und-Latn", "MMD² to the reference"))
    assert not any(one in page.replace("http-equiv", "") for one in ("<script", "http", "nan"))
    (line,) = (folder / "events.jsonl").read_text().splitlines()
    assert json.loads(line) == json.loads(json.dumps(seen.events[0].as_json()))
    assert folder.stat().st_mode & 0o077 == 0
    assert json.dumps(seen.as_json())


def test_a_page_of_nothing_is_a_page(tmp_path):
    seen = Served(tmp_path).look()
    assert "no model is served" in seen.sentence
    assert "No model" in (tmp_path / ".diptych/monitor/report.html").read_text()


def test_a_memory_that_cannot_be_read_is_said_since_cool_downs_are_in_it(served):
    served.look()
    (served.root / ".diptych/monitor/state.json").write_text("{")
    with pytest.raises(StaleArtifact, match="all cool-downs are over"):
        served.look()
