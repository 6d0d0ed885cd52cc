"""For how long a run that has not begun has the place of its deployment, wherever Prefect's server stands: longer than it may take to begin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.stack.pages import prefect
from flows.stack.place import Place
from flows.telling.automations import SILENT_S
from infra.manifests.render import containers, rendered
from tests.infra.deployed import INFRA, POOLS, template

HELD = "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION"
SWEEPS_S = 30.0  # in which Prefect notices and says so, with room to spare
MOST_S = 3600.0  # that Prefect takes


def on_one_machine(folder: Path) -> str:
    passwords = {"prefect": "p" * 32, "postgres-prefect": "p" * 32}
    return prefect(
        Place(root=folder, data=folder, ports={"prefect": 4200, "postgres": 1}, passwords=passwords)
    ).environment[HELD]


def in_compose() -> str:
    said: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
    return str(said["services"]["prefect"]["environment"][HELD])


def in_kubernetes() -> Iterator[str]:
    for manifest in rendered(INFRA / "kubernetes/base"):
        for container in containers(manifest):
            yield from (one["value"] for one in container.get("env", ()) if one["name"] == HELD)


def test_a_place_is_held_until_a_run_that_did_not_begin_counts_as_crashed(tmp_path):
    (of_pods,) = in_kubernetes()
    for held in (on_one_machine(tmp_path), in_compose(), of_pods):
        assert SILENT_S + SWEEPS_S < float(held) <= MOST_S


@pytest.mark.parametrize("pool", POOLS)
def test_and_in_kubernetes_for_as_long_as_a_pod_may_wait_for_its_machine(pool):
    (held,) = in_kubernetes()
    waits = template(pool)["variables"]["properties"]["pod_watch_timeout_seconds"]["default"]
    assert waits + SILENT_S + SWEEPS_S < float(held)
