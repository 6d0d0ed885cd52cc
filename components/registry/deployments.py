"""What the registry says of where its versions are served: tags for whoever looks, and the timeline of each deploy as a file of the run."""

import json
from collections.abc import Mapping
from typing import Any

from components.registry.store import Store, store_errors
from components.registry.versions import ModelVersion

FOLDER = "deployments"  # of a run's artifacts
DEPLOYED_AT, ENDPOINT, TRITON, SPACE = (
    "diptych.deployed_at", "diptych.endpoint", "diptych.triton_version", "diptych.space",
)  # fmt: skip
REPLACED_AT, FAILED = "diptych.replaced_at", "diptych.deploy_failed"


def say_deployed(store: Store, version: ModelVersion, said: Mapping[str, str], timeline: Mapping[str, Any]) -> None:
    """Tag a version with where it is served; what an earlier try failed of is true no more.

    Args:
        said: tag -> value.
        timeline: of the deploy, for the file.
    """
    with store_errors(store.uri):
        for tag, value in said.items():
            store.client.set_model_version_tag(version.name, version.version, tag, value)
        _forget(store, version, FAILED, REPLACED_AT)
        _keep(store, version, timeline)


def say_failed(store: Store, version: ModelVersion, why: str, timeline: Mapping[str, Any] | None = None) -> None:
    """Tag a version with why it is not served, and keep the timeline where one is given: of what is tried again and again there would be many."""
    with store_errors(store.uri):
        store.client.set_model_version_tag(version.name, version.version, FAILED, why[:5000])
        if timeline is not None:
            _keep(store, version, timeline)


def say_replaced(store: Store, version: ModelVersion, at: str) -> None:
    """Tag a version that is served no more, at an ISO 8601 time."""
    with store_errors(store.uri):
        store.client.set_model_version_tag(version.name, version.version, REPLACED_AT, at)


def _forget(store: Store, version: ModelVersion, *tags: str) -> None:
    has = store.client.get_model_version(version.name, version.version).tags
    for tag in tags:
        if tag in has:
            store.client.delete_model_version_tag(version.name, version.version, tag)


def _keep(store: Store, version: ModelVersion, timeline: Mapping[str, Any]) -> None:
    name = f"{timeline['began']}-{timeline['outcome']}".replace(":", "")
    store.client.log_text(version.run_id, json.dumps(timeline, indent=2) + "\n", f"{FOLDER}/{name}.json")
