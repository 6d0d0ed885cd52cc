"""What becomes of runs whose workers die, on a real Prefect server: said by their states, as workers and their processes say them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Pending, Running, Scheduled

from components.contracts.errors import ConfigError
from flows.loopback import bound
from flows.stack.pages import prefect
from flows.stack.place import Place
from flows.stack.prefect_set_up import set_up_queues
from flows.stack.queue import not_watching
from flows.telling.again import GIVEN_UP, TRIES, TRIES_A_DAY, tried
from flows.telling.automations import NOT_BEGUN, OF_BEFORE, SILENT, SILENT_S, set_up_automations, whole
from tests.flows.kept_prefect import api_of, kept_prefect
from tests.flows.rolled import REPOSITORY
from tests.flows.test_queues import handed_out
from tests.flows.watched_prefect import WATCHED_S, Watched, heard, nothing, watched

pytestmark = pytest.mark.timeout(300)
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with (
        bound() as its_socket,
        kept_prefect(tmp_path_factory.mktemp("watching"), its_socket, **tried()),
        temporary_settings({PREFECT_API_URL: api_of(its_socket)}),
        get_client(sync_client=True) as client,
        watched(client) as its,
    ):
        yield its


def given_up(server: Watched, *runs: UUID) -> Callable[[], bool]:
    return lambda: all(server.state(run) == GIVEN_UP for run in runs)


def tried_again(server: Watched, *runs: UUID) -> Callable[[], bool]:
    return lambda: all(server.state(run) == "AwaitingRetry" for run in runs)


def test_what_was_set_up_is_not_set_up_again(server):
    assert set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S) == ()


def test_one_that_somebody_has_paused_or_deleted_is_known(server):
    url = PREFECT_API_URL.value()
    place = Place(
        root=Path(), data=Path(), ports={"prefect": urlsplit(url).port}, passwords={"prefect": "none is asked for"}
    )
    assert not_watching(place) == {}
    (paused,), (deleted,) = (server.client.read_automations_by_name(name) for name in (SILENT, NOT_BEGUN))
    server.client.pause_automation(paused.id)
    server.client.delete_automation(deleted.id)
    try:
        assert not_watching(place) == {SILENT: "paused", NOT_BEGUN: "missing"}
    finally:
        server.client.resume_automation(paused.id)
        set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S)
    assert not_watching(place) == {}


def test_a_run_whose_worker_died_before_it_began_crashes_and_is_tried_again_and_a_pod_may_take_its_time(server, until):
    pod = server.run("pods")
    assert server.says(pod, Pending()) == "Pending"
    begun, lost = server.run(), server.run()
    assert server.says(begun, Pending()) == "Pending"
    assert server.says(begun, Running()) == "Running"
    assert server.says(lost, Pending()) == "AwaitingConcurrencySlot", "its deployment has one place"
    assert server.says(begun, Completed()) == "Completed"
    assert server.says(lost, Pending()) == "Pending"
    until(tried_again(server, lost), lambda: server.history(lost), PATIENCE_S)
    names, said = zip(*server.history(lost)[-3:], strict=True)
    assert names == ("Pending", "Crashed", "AwaitingRetry")
    assert said[1] == "a worker took it, and it did not begin in 12 s: the worker or its machine died"
    assert server.client.read_flow_run(lost).run_count == 0
    assert server.state(begun) == "Completed"
    assert server.state(pod) == "Pending", "it may wait for a machine"
    other = server.run()
    assert server.says(other, Pending()) == "Pending", "the place is free"
    assert server.says(other, Completed(), force=True) == "Completed"


def test_a_run_that_is_heard_of_goes_on_and_one_that_is_silent_from_its_beginning_or_later_crashes(server, until):
    alive, late, mute = (server.run("pods") for _ in range(3))
    for run in (alive, late, mute):
        server.says(run, Pending())
        server.says(run, Running())
    heard(late)

    def others_are_tried_again() -> bool:
        heard(alive)
        return tried_again(server, late, mute)()

    until(others_are_tried_again, lambda: (server.history(late), server.history(mute)), PATIENCE_S)
    for run in (late, mute):
        names, said = zip(*server.history(run)[-2:], strict=True)
        assert names == ("Crashed", "AwaitingRetry")
        assert said[0] == "nothing was heard of it for 12 s: its worker or its machine died"
    assert server.state(alive) == "Running"
    server.says(alive, Completed())


def test_the_gpu_that_a_run_of_a_worker_that_died_has_is_free_for_the_next_and_nobodys_before(server, until):
    client, made = server.client, dict[str, UUID]()
    for pool in ("cpu", "gpu"):
        client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    try:
        set_up_queues(client)
        its = client.create_flow(nothing)
        for name in ("pipeline", "stage"):
            made[name] = client.create_deployment(
                its, f"{name}-on-gpu", work_pool_name="gpu", tags=["diptych"], enforce_parameter_schema=False
            )
        trains, waits = (
            client.create_flow_run_from_deployment(made[name], state=Scheduled()).id for name in ("pipeline", "stage")
        )
        assert server.says(trains, Pending()) == "Pending"
        assert server.says(trains, Running()) == "Running"
        for _ in range(2):
            heard(trains)
            assert handed_out(client, "gpu") == []
        until(lambda: handed_out(client, "gpu"), lambda: server.history(trains), PATIENCE_S)
        assert handed_out(client, "gpu") == [waits]
        names, said = zip(*server.history(trains), strict=True)
        assert said[names.index("Crashed")] == "nothing was heard of it for 12 s: its worker or its machine died"
        assert server.says(waits, Pending()) == "Pending"
        assert server.says(waits, Running()) == "Running"

        def is_tried_again() -> bool:
            heard(waits)
            return tried_again(server, trains)()

        until(is_tried_again, lambda: server.history(trains), PATIENCE_S)
        assert handed_out(client, "gpu") == [], "who was silent waits for it like anybody"
        assert server.says(waits, Completed(), force=True) == "Completed"
        assert handed_out(client, "gpu") == [trains]
    finally:
        for one in made.values():
            client.delete_deployment(one)
        for pool in ("cpu", "gpu"):
            client.delete_work_pool(pool)


def test_a_run_that_crashes_whether_or_not_it_began_is_tried_so_often_in_all_whoever_tells_of_it_and_no_more(
    server, until
):
    never, sometimes = runs = [server.run("pods") for _ in range(2)]
    for attempt in range(TRIES_A_DAY):
        for run in runs:
            assert server.says(run, Pending()) == "Pending"
        if attempt == 1:
            server.says(sometimes, Running())
        for run in runs:
            assert server.says(run, Crashed(message="killed")) == "Crashed"
            assert server.says(run, Crashed(message="killed"), force=True) == "Crashed", "as a run tells of it"
        if attempt < TRIES_A_DAY - 1:
            until(tried_again(server, *runs), lambda: [server.history(run) for run in runs], PATIENCE_S)
        if attempt == 0:
            assert server.says(sometimes, Crashed(message="killed")) == "Crashed", (
                "as a worker tells of it that is late"
            )
            until(tried_again(server, *runs), lambda: server.history(sometimes), PATIENCE_S)
    until(given_up(server, *runs), lambda: [server.history(run) for run in runs], PATIENCE_S)
    for run, again in ((never, TRIES_A_DAY - 1), (sometimes, TRIES_A_DAY)):
        names, said = zip(*server.history(run), strict=True)
        assert (names.count("Pending"), names.count("AwaitingRetry")) == (TRIES_A_DAY, again)
        assert said[-1] == "it crashed, was tried 3 times within a day, and is not tried again by itself: killed"
        assert server.client.read_flow_run(run).state.type == StateType.CRASHED
    assert server.says(never, Scheduled()) == "Scheduled", "a person may"
    server.says(never, Pending())
    server.says(never, Crashed(message="killed once more"))
    until(given_up(server, never), lambda: server.history(never), PATIENCE_S)
    assert server.history(never)[-2:] == [
        ("Crashed", "killed once more"),
        (GIVEN_UP, "it crashed, was tried 4 times within a day, and is not tried again by itself: killed once more"),
    ]


def test_a_crashed_run_that_is_something_else_by_then_is_left_alone(server, until):
    runs = ended, begun, asked = [server.run("pods") for _ in range(3)]
    for run, then in ((ended, Completed()), (begun, Running()), (asked, Scheduled())):  # it was silent, and not dead
        server.says(run, Pending())
        server.says(run, Running())
        server.says(run, Crashed())
        assert server.says(run, then) == then.name
    marker = server.run("pods")
    server.says(marker, Crashed(), force=True)
    until(tried_again(server, marker), lambda: server.history(marker), PATIENCE_S)
    assert [name for run in runs for name, _ in server.history(run) if name in ("AwaitingRetry", GIVEN_UP)] == []
    assert [server.state(run) for run in (ended, begun)] == ["Completed", "Running"]


def test_a_run_that_no_worker_can_take_up_is_given_up_and_one_that_is_not_ours_left_alone(server, until):
    alone = server.client.create_flow_run(nothing, tags=["diptych"]).id
    other = server.client.create_flow_run(nothing, tags=["another"]).id
    gone = server.client.create_deployment(
        server.client.create_flow(nothing),
        "gone",
        work_pool_name="pods",
        tags=["diptych"],
        enforce_parameter_schema=False,
    )
    left = server.client.create_flow_run_from_deployment(gone, state=Scheduled()).id
    server.says(left, Pending())
    server.says(left, Running())
    server.client.delete_deployment(gone)  # takes what is scheduled along
    for run in (other, alone, left):
        server.says(run, Crashed(message="killed"), force=True)
    until(given_up(server, alone, left), lambda: [server.history(run) for run in (alone, left)], PATIENCE_S)
    for run in (alone, left):
        assert server.history(run)[-1][1] == "it crashed and is not tried again by itself: killed"
    assert server.state(other) == "Crashed"


def test_a_run_whose_second_worker_died_before_it_began_crashes_too(server, until):
    run = server.run()
    for state in (Pending(), Running(), Crashed(message="the first"), Scheduled(), Pending()):
        server.says(run, state)
    until(tried_again(server, run), lambda: server.history(run), PATIENCE_S)
    assert server.history(run)[-2] == (
        "Crashed",
        "a worker took it, and it did not begin in 12 s: the worker or its machine died",
    )
    server.says(run, Completed(), force=True)


def test_the_automation_of_before_that_tried_again_goes(server):
    (silent,) = server.client.read_automations_by_name(SILENT)
    older = silent.model_copy(update={"name": OF_BEFORE[0]})
    server.client.create_automation(whole(AutomationCore.model_validate(older.model_dump())))
    assert len(server.client.read_automations_by_name(OF_BEFORE[0])) == 1
    set_up_automations(
        REPOSITORY, []
    )  # of what does not watch: the server may be one that does not try again by itself
    assert len(server.client.read_automations_by_name(OF_BEFORE[0])) == 1
    assert set_up_automations(REPOSITORY, [], watched=True, silent_s=WATCHED_S) == ()
    assert server.client.read_automations_by_name(OF_BEFORE[0]) == []


def test_tries_are_three_a_day_or_as_many_as_are_said(monkeypatch):
    monkeypatch.delenv(TRIES, raising=False)
    assert tried() == {TRIES: "3"}
    monkeypatch.setenv(TRIES, "1")
    assert tried() == {TRIES: "1"}
    for wrong in ("0", "often", "-1", "2.5", "101", ""):
        monkeypatch.setenv(TRIES, wrong)
        with pytest.raises(ConfigError, match=f"{TRIES} is '{wrong}', but must be how often a day"):
            tried()


def test_a_place_is_held_for_longer_than_a_run_may_take_to_begin(tmp_path: Path):
    place = Place(
        root=tmp_path,
        data=tmp_path,
        ports={"prefect": 4200, "postgres": 1},
        passwords={"prefect": "p" * 32, "postgres-prefect": "p" * 32},
    )
    held = float(prefect(place).environment["PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION"])
    assert held > SILENT_S + 30, "Prefect looks every few seconds"
