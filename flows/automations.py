"""What a Prefect server does when a monitor asks for it: a training on drift, a rollback where a deploy broke a budget.

An automation waits for an event that carries the action as the label `diptych.asks`, which a monitor gives to one event in `monitor.cool_down_h`,
so nothing here can loop. Set up twice, they are there once.
"""

from dataclasses import dataclass
from datetime import timedelta

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification, RunDeployment
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from components.monitoring.events import BUDGET, DRIFT, PIPELINE, ROLLBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """One automation.

    Args:
        name: on the server.
        event: that it waits for.
        asks: what the event has to ask for.
        deployment: that is started, as FLOW/DEPLOYMENT of prefect.yaml.
        says: what it is for.
    """

    name: str
    event: str
    asks: str
    deployment: str
    says: str

    def on(self, client: SyncPrefectClient) -> AutomationCore:
        """Return it for a server; ObjectNotFound where that has no such deployment."""
        deployment = client.read_deployment_by_name(self.deployment)
        return AutomationCore(
            name=self.name, description=self.says, enabled=True,
            trigger=EventTrigger(
                expect={self.event}, posture=Posture.Reactive, threshold=1, within=timedelta(0),
                match=ResourceSpecification({"prefect.resource.id": "diptych.endpoint.*", "diptych.asks": self.asks}),
            ),
            actions=[RunDeployment(source="selected", deployment_id=deployment.id, parameters=None, job_variables=None)],
        )  # fmt: skip


AUTOMATIONS = (
    Automatic(
        name="diptych-train-on-drift", event=DRIFT, asks=PIPELINE, deployment="pipeline/manual",
        says="What is asked is not what was trained on any more: train again.",
    ),
    Automatic(
        name="diptych-roll-back", event=BUDGET, asks=ROLLBACK, deployment="rollback/manual",
        says="Errors or latency broke their budget soon after a deploy: serve what was served before.",
    ),
)  # fmt: skip


def set_up() -> list[str]:
    """Make them on the server that Prefect is set to, or bring them up to date; return a sentence each."""
    said = []
    with get_client(sync_client=True) as client:
        for its in AUTOMATIONS:
            try:
                wanted = its.on(client)
            except ObjectNotFound:
                said.append(
                    f"{its.name}: not set up, since the server has no deployment {its.deployment}. Make it: prefect deploy --all"
                )
                continue
            there = client.read_automations_by_name(its.name)
            if there:
                client.update_automation(there[0].id, wanted)
                said.append(f"{its.name}: up to date. {its.says}")
            else:
                client.create_automation(wanted)
                said.append(f"{its.name}: set up. {its.says}")
    return said
