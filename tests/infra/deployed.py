"""What infra/ would start, in one form for Kubernetes, compose and pools: a name, a command, variables, what is mounted."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prefect.utilities.templating import apply_values

from infra.manifests.render import Manifest, containers, rendered

REPOSITORY = Path(__file__).parents[2]
INFRA = REPOSITORY / "infra"
POOLS = ("cpu", "gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """One container.

    Args:
        where: for messages.
        command: what is run, word by word.
        variables: that it is given by name with their values; None where the value is a secret.
        image: of it.
    """

    where: str
    command: tuple[str, ...]
    variables: dict[str, str | None]
    image: str


def manifests() -> list[Manifest]:
    """Return those of all folders, each once, and a job of each pool."""
    folders = (rendered(INFRA / "kubernetes" / name) for name in ("base", "ranks"))
    return [*(one for folder in folders for one in folder), *(job_of(pool) for pool in POOLS)]


def template(pool: str) -> dict[str, Any]:
    return dict(json.loads((INFRA / f"kubernetes/pools/{pool}.json").read_text()))


def job_of(pool: str) -> Manifest:
    """Return the job of a pool with what its template says where nobody says otherwise, as Prefect fills it in."""
    said = template(pool)
    values = {name: one["default"] for name, one in said["variables"]["properties"].items() if "default" in one}
    made = apply_values(
        said["job_configuration"]["job_manifest"], {**values, "name": "run", "labels": {}, "annotations": {}}
    )
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["args"] = container["args"].split()
    container.pop("env", None)
    return dict(made)


def named(kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name; jobs of pools get theirs when they are made."""
    return {one["metadata"].get("name", "of a pool"): one for one in manifests() if one["kind"] == kind}


def in_kubernetes() -> list[Started]:
    """Return every container of the manifests."""
    maps, secrets = named("ConfigMap"), named("ExternalSecret")
    found = []
    for manifest in manifests():
        for container in containers(manifest):
            variables: dict[str, str | None] = {}
            for one in container.get("envFrom", ()):
                variables |= maps[one["configMapRef"]["name"]]["data"]
            for name in _mounted(manifest, container):
                variables |= {
                    one["secretKey"]: None for one in secrets[name]["spec"]["data"] if one["secretKey"].isupper()
                }
            variables |= {one["name"]: one.get("value") for one in container.get("env") or ()}
            where = f"{manifest['metadata'].get('name', 'job')}/{container['name']}"
            found.append(
                Started(where=where, command=tuple(container["args"]), variables=variables, image=container["image"])
            )
    return found


def _mounted(manifest: Manifest, container: Manifest) -> list[str]:
    """Return the secrets whose files a container sees where variables are made of them."""
    volumes = {one["name"]: one for one in manifest["spec"]["template"]["spec"].get("volumes", ())}
    seen = [volumes[one["name"]] for one in container.get("volumeMounts", ()) if one["mountPath"] == "/run/secrets"]
    return [source["secret"]["name"] for volume in seen for source in volume["projected"]["sources"]]


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((INFRA / "compose.yaml").read_text()))


def in_compose() -> list[Started]:
    """Return every container of compose.yaml that has a command of ours."""
    found = []
    for name, service in compose()["services"].items():
        secret: dict[str, str | None] = {
            one["target"]: None
            for one in service.get("secrets", ())
            if isinstance(one, dict) and one["target"].isupper()
        }
        variables = {key: str(value) for key, value in (service.get("environment") or {}).items()} | secret
        found.append(
            Started(
                where=f"compose/{name}",
                command=tuple(service.get("command", ())),
                variables=variables,
                image=service["image"],
            )
        )
    return found
