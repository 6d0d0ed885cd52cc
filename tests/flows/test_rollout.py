"""From an alias to the endpoint, on a real registry, Triton and gateway: who may be served is, nobody is dropped, and what goes wrong changes nothing."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import httpx
import pytest

from components.contracts.errors import ConfigError, GateClosed, Interrupted
from components.registry.deployments import DEPLOYED_AT, FAILED, REPLACED_AT, SPACE, TRITON
from components.registry.promotion import PUT_BACK, VERDICT
from components.registry.signatures import FILE, FOLDER, SIGNED_BY, own_key, public_key
from components.registry.store import open_store
from components.registry.versions import by_alias, by_label
from components.serving.endpoint import read_endpoint, read_previous
from components.serving.errors import NeverReady
from components.serving.process import running
from components.serving.routes import read_routes, write_beside
from components.serving.sweep import SERVER, workspace_prefix
from components.serving.timeline import read_timeline
from flows.serving.deploy import deploy_beside
from flows.serving.gateway import ensure_gateway
from flows.serving.rollback import rollback
from flows.serving.rollout import rollout
from flows.status import deploy_stands
from tests.drills.traffic import answering, asked_all_the_time
from tests.flows.rolled import REPOSITORY, ask, flip_a_byte, make_place, make_version, rules, served_place

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    with served_place(tmp_path_factory.mktemp("rolled"), step_s=0.3) as root:
        yield root


@pytest.fixture(scope="module")
def store(root):
    return open_store(root)


@pytest.fixture(scope="module")
def first(root, store):
    """The first champion, served, with a gateway before it."""
    version = make_version(root, store, seed=1, right=20)
    ask(store, version)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("served", "tiny@1"), rolled.sentence
    ensure_gateway(root)
    return version


def tags(store, version) -> dict[str, str]:
    return dict(store.client.get_model_version(version.name, version.version).tags)


def test_the_first_champion_is_vetted_signed_served_and_written_down(root, store, first):
    its = tags(store, first)
    assert its[VERDICT] == "promoted"
    assert its[SPACE] == read_endpoint(root).space != first.digest
    assert its[TRITON].count(".") == 2
    assert its[DEPLOYED_AT] <= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    assert store.client.get_run(first.run_id).data.tags[SIGNED_BY].startswith("key ")
    steps = [one["step"] for one in read_timeline(root).steps]
    assert steps == ["files", "signature", "parity", "served"]
    (kept,) = store.client.list_artifacts(first.run_id, "deployments")
    assert kept.path.endswith("-served.json")
    assert rollout(root, "tiny", store).outcome == "already served"


def test_a_better_one_takes_over_step_by_step_and_nobody_is_dropped(root, store, first):
    better = make_version(root, store, seed=2, right=40)
    ask(store, better)
    with asked_all_the_time(root) as counts:
        rolled = rollout(root, "tiny", store)
        while counts.get(better.label, 0) < 20:
            time.sleep(0.05)
    assert (rolled.outcome, rolled.label) == ("served", better.label), rolled.sentence
    assert counts["failed"] == 0
    assert counts[first.label] > 0
    assert answering(root) == better.label
    steps = {one["step"]: one["says"] for one in rolled.timeline.steps}
    assert list(steps) == ["files", "signature", "parity", "canary 5%", "canary 25%", "served"]
    assert "0 failed" in steps["canary 25%"]
    assert REPLACED_AT in tags(store, first)
    assert read_previous(root).label == first.label


def test_a_worse_one_gets_the_alias_taken_back_and_the_reason_with_it(root, store, first):
    worse = make_version(root, store, seed=3, right=10)
    ask(store, worse)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("refused", "tiny@2")
    assert "made the champion by hand, and may not be" in rolled.sentence
    assert by_alias(store, "tiny", "champion").label == "tiny@2"
    assert tags(store, worse)[PUT_BACK] == rolled.sentence
    assert answering(root) == "tiny@2"
    assert rollout(root, "tiny", store).outcome == "already served"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [("nan", "length"), ("graph", "is no ONNX graph"), ("wide", "do not fit|not whole")],
)
def test_a_model_that_cannot_answer_is_refused_and_the_alias_goes_back(root, store, first, spoil, says):
    broken = make_version(root, store, seed=len(spoil) + 10, right=60, spoil=spoil)
    ask(store, broken)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("refused", "tiny@2"), rolled.sentence
    assert re.search(says, rolled.sentence), rolled.sentence
    assert FAILED in tags(store, broken)
    assert by_alias(store, "tiny", "champion").label == "tiny@2"
    assert answering(root) == "tiny@2"
    assert len(list(running(SERVER, workspace_prefix(root), []))) == 1


def test_a_flipped_byte_a_missing_and_a_foreign_signature_are_refused(root, store, first):
    good = make_version(root, store, seed=20, right=50)
    make_version(root, store, seed=21, right=50)  # the workspace has another package now
    rules(root, keys=["other.pub"])
    (root / "other.pub").write_bytes(public_key(own_key(root.parent / "elsewhere")))
    ask(store, good)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("refused", "tiny@2")
    assert "the signature of" in rolled.sentence
    rules(root, keys=[])
    (signature,) = (root / "mlartifacts").rglob(f"{good.run_id}/artifacts/{FOLDER}/{FILE}")
    aside = signature.read_bytes()
    signature.unlink()
    ask(store, good)
    assert "is not signed" in rollout(root, "tiny", store).sentence
    signature.write_bytes(aside)
    flip_a_byte(root, good)
    ask(store, good)
    shutil.rmtree(root / ".diptych/versions" / good.digest[:16])  # a fresh machine has no copy
    assert "was changed after it was packaged" in rollout(root, "tiny", store).sentence
    assert answering(root) == "tiny@2"


def test_one_that_is_never_ready_is_tried_three_times_and_then_refused(root, store, first):
    slow = make_version(root, store, seed=22, right=60)
    rules(root, ready_s=0.01)
    ask(store, slow)
    for _ in range(2):
        with pytest.raises(NeverReady, match="did not load its models within"):
            rollout(root, "tiny", store)
        assert by_alias(store, "tiny", "champion").label == slow.label
        assert answering(root) == "tiny@2"
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("refused", "tiny@2")
    assert by_alias(store, "tiny", "champion").label == "tiny@2"
    rules(root, ready_s=120.0)


def test_back_to_what_was_served_before_and_the_registry_knows(root, store, first):
    said = rollback(root, "users complain")
    assert said == "tiny@1 is served again, in place of tiny@2."
    assert answering(root) == "tiny@1"
    assert by_alias(store, "tiny", "champion").label == "tiny@1"
    assert "users complain" in tags(store, by_label(store, "tiny@2"))[FAILED]
    assert rollout(root, "tiny", store).outcome == "already served"
    assert rollback(root).startswith("tiny@2 is served again, in place of tiny@1.")
    assert rollout(root, "tiny", store).label == "tiny@2"


def test_one_that_is_killed_in_the_canary_leaves_what_served_and_a_second_try_succeeds(root, store, first):
    better = make_version(root, store, seed=30, right=60)
    ask(store, better)
    rules(root, step_s=120.0)
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "deploy", "tiny"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as killed:
        while not read_routes(root).beside:
            assert killed.poll() is None
            time.sleep(0.1)
        killed.send_signal(signal.SIGKILL)
    assert (
        httpx.post(f"{ensure_gateway(root).url}v1/embeddings", json={"input": ["a"], "model": "champion"}).json()[
            "model"
        ]
        == "tiny@2"
    )
    assert (
        f"{better.label} was being deployed when whoever did it was killed; tiny@2 is served as before"
        in deploy_stands(root)
    )
    rules(root, step_s=0.3)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("served", better.label), rolled.sentence
    assert len(list(running(SERVER, workspace_prefix(root), []))) == 1


def test_a_canary_that_nobody_watches_ends_by_itself(root, store, first):
    other = make_version(root, store, seed=40, right=1)
    deploy_beside(root / "runs/tiny/package", root, other.label, 0.5, until=time.time() + 3600)
    (one,) = read_routes(root).beside
    write_beside(root, [replace(one, until=time.time() - 1)])
    deadline = time.monotonic() + 60
    while read_routes(root).beside:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert one.endpoint.process.wait(60)


def test_a_registry_that_cannot_be_written_to_does_not_stop_the_way_back_and_is_told_later(root, store, first):
    served, before = read_endpoint(root).label, read_previous(root).label
    with sqlite3.connect(root / "mlflow.db", isolation_level=None) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        said = rollback(root, "in the night")
        lock.execute("ROLLBACK")
    assert said.startswith(f"{before} is served again, in place of {served}; the registry does not know yet")
    assert by_alias(store, "tiny", "champion").label == served
    assert rollout(root, "tiny", store).outcome == "already served"  # it tells first, and then looks at the alias
    assert by_alias(store, "tiny", "champion").label == before


def test_a_shadow_is_asked_and_answers_nobody_until_it_takes_over(root, store, first):
    before = read_endpoint(root).label
    version = make_version(root, store, seed=50, right=60)
    store.client.set_model_version_tag(
        "tiny", version.version, VERDICT, "approved"
    )  # as a person does who signs for it
    ask(store, version)
    rules(root, shadow=True, canary=[0.5], step_s=1.0)
    with asked_all_the_time(root, clients=2) as counts:
        rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label, counts["failed"]) == ("served", version.label, 0), rolled.sentence
    (shadow,) = [one for one in rolled.timeline.steps if one["step"] == "shadow"]
    assert re.fullmatch(r"[1-9]\d* requests, 0 failed, .* ms each", shadow["says"])
    assert counts[before] > 0
    rules(root, shadow=False, canary=[0.05, 0.25], step_s=0.3)


def test_one_that_takes_much_longer_over_each_is_taken_back(root, store, first):
    before = read_endpoint(root).label
    slow = make_version(root, store, seed=70, right=60, spoil="slow")
    store.client.set_model_version_tag("tiny", slow.version, VERDICT, "approved")
    ask(store, slow)
    rules(root, canary=[0.1, 0.5], step_s=10.0)
    with asked_all_the_time(root, clients=4) as counts:
        rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label, counts["failed"]) == ("refused", before, 0), rolled.sentence
    assert re.search(r"was taken back: it takes \S+ ms a request, \S+ times what the version beside", rolled.sentence)
    assert by_alias(store, "tiny", "champion").label == before
    rules(root, canary=[0.05, 0.25], step_s=0.3)


def test_a_rollback_stops_a_deploy_and_that_is_the_way_back(root, store, first):
    served = read_endpoint(root).label
    version = make_version(root, store, seed=60, right=60)
    store.client.set_model_version_tag("tiny", version.version, VERDICT, "approved")
    ask(store, version)
    rules(root, step_s=120.0)
    failed: list[BaseException] = []

    def deploying() -> None:
        try:
            rollout(root, "tiny", store)
        except BaseException as err:
            failed.append(err)

    thread = threading.Thread(target=deploying)
    thread.start()
    while not read_routes(root).beside:
        time.sleep(0.05)
    assert rollback(root, "it looks bad") == f"{version.label} is not deployed; {served} goes on serving."
    thread.join()
    assert isinstance(failed[0], Interrupted)
    assert (read_endpoint(root).label, by_alias(store, "tiny", "champion").label) == (served, served)
    assert "it looks bad" in tags(store, version)[PUT_BACK]
    assert (
        rollback(root, "late", leave=version.label)
        == f"{served} is served, and not {version.label}, so nothing was done."
    )
    rules(root, step_s=0.3)


def test_what_was_done_by_one_who_was_killed_before_he_said_so_is_told_by_the_next(root, store, first):
    its = read_endpoint(root).label
    timeline = read_timeline(root)
    timeline.label, timeline.outcome, timeline.recorded, timeline.back, timeline.pid = (
        its,
        "under way",
        False,
        False,
        2**22 + 1,
    )
    timeline.write(root)
    assert deploy_stands(root).startswith(f"{its} is served; whoever did it was killed before the registry knew")
    store.client.delete_model_version_tag("tiny", its.partition("@")[2], DEPLOYED_AT)
    assert rollout(root, "tiny", store).outcome == "already served"
    assert DEPLOYED_AT in tags(store, by_label(store, its))
    assert deploy_stands(root) is None


def test_a_mistake_of_whoever_runs_it_is_not_put_down_to_the_version(root, store, first):
    version = make_version(root, store, seed=70, right=60)
    store.client.set_model_version_tag("tiny", version.version, VERDICT, "approved")
    ask(store, version)
    rules(root, keys=["nowhere.pub"])
    with pytest.raises(ConfigError, match=r"deploy\.keys names"):
        rollout(root, "tiny", store)
    assert by_alias(store, "tiny", "champion").label == version.label
    rules(root, keys=[])
    assert rollout(root, "tiny", store).label == version.label


def test_without_an_alias_nothing_is_asked_for_and_without_files_there_is_no_way_back(root, store, first, tmp_path):
    with pytest.raises(GateClosed, match="no version of nobody has the alias champion"):
        rollout(root, "nobody", store)
    with pytest.raises(ConfigError, match="nothing to go back to"):
        rollback(make_place(tmp_path))


def test_the_same_model_made_anew_is_served_as_it_was_registered(root, store, first):
    version = make_version(root, store, seed=23, right=55)
    manifest = root / "runs/tiny/package/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"lock": {"of": "another run of the stages"}}))
    store.client.set_model_version_tag("tiny", version.version, "diptych.verdict", "approved")
    ask(store, version)
    rolled = rollout(root, "tiny", store)
    assert (rolled.outcome, rolled.label) == ("served", version.label), rolled.sentence
    assert by_alias(store, "tiny", "champion").label == version.label
    assert (root / ".diptych/versions" / version.digest[:16]).exists(), "its manifest is the one that was signed"
