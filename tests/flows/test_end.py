"""How long `diptych down` waits: as long as the servers may take, by who waits for whom, and no failure is told before."""

from contextlib import closing
from pathlib import Path

import pytest

from components.contracts.errors import TransientError
from flows.claims import Claims
from flows.processes import GRACE_S
from flows.stack.place import Place
from flows.stack.prefect_set_up import DEPLOY_WITHIN_S
from flows.stack.seen import read_seen
from flows.stack.service import LOOKS_WITHIN_S, Service
from flows.stack.services import services
from flows.stack.supervisor import ENDS_WITHIN_S, ends_within_s
from flows.stack.up import end
from tests.flows.rolled import make_place
from tests.flows.supervised import supervised

ONE_S = ENDS_WITHIN_S + GRACE_S  # of one that does not end, until it is killed


def service(name: str, *after: str, busy_s: float = 7.0) -> Service:
    return Service(
        name=name, what="", address="", command=(), fault=lambda: None, folder=Path(), after=after, busy_s=busy_s
    )


def test_who_is_needed_waits_for_the_longest_of_those_that_need_it():
    one, other = service("one"), service("other")
    assert ends_within_s([one]) == 7 + ONE_S
    assert ends_within_s([one, other]) == 7 + ONE_S, "they end at the same time"
    assert ends_within_s([one, other, service("last", "one", "other")]) == 7 + 2 * ONE_S
    busy = service("busy", "one", busy_s=500)
    assert ends_within_s([one, busy, service("last", "busy")]) == 500 + 2 * ONE_S, "what it does ends before it ends"


def test_those_of_a_machine_may_end_while_prefect_is_set_up_and_one_after_another(tmp_path):
    with closing(Claims()) as claims:
        all_of_them = services(Place.of(make_place(tmp_path), None, claims))
    takes_s = ends_within_s(all_of_them)
    assert takes_s >= LOOKS_WITHIN_S + 3 * ONE_S, "a worker, Prefect, PostgreSQL"
    assert takes_s >= DEPLOY_WITHIN_S + 2 * ONE_S


def test_down_waits_as_long_as_the_supervisor_says_that_it_may_take(tmp_path):
    with supervised(tmp_path / "slow", ends_within_s=0.2), pytest.raises(TransientError, match="have not ended in 0 s"):
        end(tmp_path / "slow")
    with supervised(tmp_path / "well", ends_within_s=60):
        assert end(tmp_path / "well")
    with supervised(tmp_path / "before"):  # one of a version that did not say it
        assert read_seen(tmp_path / "before").ends_within_s >= 450
        assert end(tmp_path / "before")
