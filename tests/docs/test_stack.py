"""docs/stack.md: its commands are ones, its servers, buckets, ports and limits the code's."""

import json
import re
import shlex
from pathlib import Path

import yaml

from flows.cli import _parser
from flows.loopback import HOST
from flows.stack.around import hooks, worker
from flows.stack.metrics import OfServers
from flows.stack.objects import BUCKETS
from flows.stack.pages import mlflow, prefect
from flows.stack.place import PORTS, USER, Place
from flows.stack.supervisor import DEAF_S, LOG_MB
from flows.telling.again import ALL_TOLD, GIVEN_UP, LOOKS_EVERY_S, TRIES, TRIES_A_DAY
from flows.telling.automations import SILENT_S
from tests.benchmarks import overhead, stack
from tests.drills import stack as faults

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/stack.md").read_text()


def test_the_commands_are_those_there_are():
    commands = re.findall(r"\.venv/bin/diptych ([a-z]+[^#)\n]*)", PAGE)
    assert len(commands) >= 8
    for command in commands:
        _parser().parse_args(shlex.split(command))
    assert "\nup:" in (REPOSITORY / "Makefile").read_text()


def test_the_servers_are_those_of_the_code(tmp_path):
    place = Place(root=tmp_path, data=tmp_path, ports=dict.fromkeys(("prefect", "mlflow", "hooks", "worker-cpu", "worker-gpu", "s3", "postgres"), 1), passwords={
        name: "x" for name in ("prefect", "mlflow", "mlflow-jobs", "mlflow-serving", "mlflow-forms", "webhooks", "s3-mlflow", "postgres-prefect", "postgres-mlflow")
    })  # fmt: skip
    named = set(re.findall(r"^\| `([a-z0-9]+)`", PAGE, re.M))
    assert named == {"postgres", "s3", *(one(place).name for one in (prefect, mlflow, hooks))}
    for pool in ("cpu", "gpu"):
        assert f"`{worker(place, pool).name}`" in PAGE
    for bucket in BUCKETS:
        assert f"`{bucket}`" in PAGE


def test_the_numbers_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/stack.json").read_text())
    assert f"<!-- stack -->\n{stack.page(said)}\n<!-- /stack -->" in PAGE
    assert stack.holds(said)
    assert (stack.UP_S, stack.MEMORY_MB, stack.IDLE_SHARE) == (90, 3 * 1024, 0.05)
    for worse in (
        {"up_s": 90},
        {"memory_mb": 3 * 1024},
        {"idle_share_of_a_core": 0.05},
        {"idle_by_window": [0.05] * 4},
    ):
        assert not stack.holds({**said, **worse})
    assert {"gateway", "triton", "hooks"} <= said["memory_by_name_mb"].keys()


def test_what_faults_do_to_pipelines_is_what_was_measured_and_none_waits_longer_than_is_promised():
    said = json.loads(faults.KEPT_AT.read_text())
    assert (said["passed"], said["lost"], [*faults.PARTS]) == (True, 0, [name for name in said["detail"]])
    assert f"<!-- faults -->\n{faults.page(said)}\n<!-- /faults -->" in PAGE
    again = [of["again_after_s"] for of in said["detail"].values() if "again_after_s" in of]
    assert len(again) == 2
    assert max(again) <= faults.AGAIN_WITHIN_S == 120.0


def test_what_a_pipeline_takes_more_there_is_what_was_measured_and_less_than_a_twentieth():
    said = json.loads((REPOSITORY / "docs/benchmarks/overhead.json").read_text())
    assert min(one["plain"]["seconds"] for one in said["pairs"]) >= 300, "a job of five minutes"
    assert len(said["pairs"]) % 2 == 0, "each side is first as often as the other"
    for of, name in {"ratio": "seconds", "cpu_ratio": "cpu_s"}.items():
        there, here = (sum(one[side][name] for one in said["pairs"]) for side in ("stack", "plain"))
        assert said[of] == round(there / here, 3)
    assert said["ratio"] < overhead.AIM == 1.05
    assert f"<!-- overhead -->\n{overhead.page(said)}\n<!-- /overhead -->" in PAGE


def test_the_limits_are_those_of_the_code():
    assert f"does not answer for\n{DEAF_S:.0f} s" in PAGE
    assert f"more than {LOG_MB} MB" in PAGE
    assert f"on {HOST} alone" in PAGE
    assert f"The user is `{USER}`" in PAGE
    assert f"nothing is heard for {SILENT_S} s" in PAGE
    assert f"does not begin in {SILENT_S} s" in PAGE
    told = ALL_TOLD.total_seconds()
    assert (
        f"`{TRIES}` in the shell that starts the servers says otherwise), {told:.0f} to {told + LOOKS_EVERY_S:.0f} s after"
        in PAGE
    )
    assert f"its state is `{GIVEN_UP}`" in PAGE
    assert TRIES_A_DAY == 3
    assert "three times a day in all" in PAGE


def test_what_prometheus_is_told_to_ask_is_what_answers(tmp_path):
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE, re.S)
    jobs = {one["job_name"]: one for one in yaml.safe_load(block)["scrape_configs"]}
    for job, port in {"diptych": "supervisor", "diptych-s3": "s3-metrics", "diptych-prefect": "prefect"}.items():
        assert jobs[job]["static_configs"] == [{"targets": [f"{HOST}:{PORTS[port]}"]}]
    place = Place(
        root=tmp_path,
        data=tmp_path,
        ports=PORTS,
        passwords={name: "x" for name in ("prefect", "postgres", "postgres-prefect")},
    )
    assert prefect(place).metrics.endswith(jobs["diptych-prefect"]["metrics_path"])
    rows = [{"name": "s3", "what": "SeaweedFS", "version": "4", "address": "", "state": "deaf", "starts": 2}]
    told = {one.name: one.samples for one in OfServers(place, lambda: rows).collect()}
    assert [one.value for one in told["diptych_service_up"]] == [0.0]
    assert [(one.name, one.value) for one in told["diptych_service_starts"]] == [("diptych_service_starts_total", 2.0)]
    for name in ("diptych_service_up", "diptych_service_starts_total"):
        assert f"`{name}`" in PAGE
