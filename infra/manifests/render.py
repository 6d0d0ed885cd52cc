"""What `kubectl kustomize` would give, of as much of kustomize as is used here: resources, namespace, images, patches by JSON Patch.

Any other word in a kustomization is refused, so that nothing is left out in silence.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

Manifest = dict[str, Any]
KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
OF_THE_CLUSTER = ("Namespace", "ClusterRole", "ClusterRoleBinding")


class Unrendered(ValueError):
    """A kustomization that cannot be rendered, with why."""


def rendered(folder: Path) -> list[Manifest]:
    """Return the manifests of a kustomization, in order. Raises Unrendered for words that it does not know, missing files, patches that fit nothing."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    if unknown := sorted(set(said) - KNOWN):
        raise Unrendered(f"{folder}/kustomization.yaml says {', '.join(unknown)}, which render.py does not know")
    found: list[Manifest] = []
    for name in said["resources"]:
        path = folder / name
        if path.is_dir():
            found += rendered(path)
        elif path.is_file():
            found += [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
        else:
            raise Unrendered(f"{folder}/kustomization.yaml names {name}, which is not there")
    for patch in said.get("patches", ()):
        _apply(found, patch, folder)
    for manifest in found:
        if "namespace" in said and manifest["kind"] not in OF_THE_CLUSTER:
            manifest["metadata"]["namespace"] = said["namespace"]
        for container in containers(manifest):
            container["image"] = _renamed(container["image"], said.get("images", ()))
    return found


def containers(manifest: Manifest) -> list[Manifest]:
    """Return the containers of a manifest that has a pod, those that begin it first; none of another."""
    pod = pod_of(manifest)
    return [] if pod is None else [*pod.get("initContainers", ()), *pod["containers"]]


def pod_of(manifest: Manifest) -> Manifest | None:
    """Return the pod's spec of a manifest; None where it has none."""
    if manifest["kind"] == "Pod":
        return dict(manifest["spec"])
    template = manifest.get("spec", {}).get("template", {}) if isinstance(manifest.get("spec"), dict) else {}
    pod: Manifest | None = template.get("spec") if isinstance(template, dict) else None
    return pod if pod and "containers" in pod else None


def _apply(found: list[Manifest], patch: dict[str, Any], folder: Path) -> None:
    target = patch["target"]
    fits = [
        at
        for at, one in enumerate(found)
        if one["kind"] == target["kind"] and one["metadata"]["name"] == target["name"]
    ]
    if not fits:
        raise Unrendered(f"{folder}/kustomization.yaml patches {target['kind']} {target['name']}, which is not there")
    for at in fits:
        try:
            found[at] = jsonpatch.apply_patch(deepcopy(found[at]), yaml.safe_load(patch["patch"]))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as err:
            raise Unrendered(f"{folder}/kustomization.yaml: the patch of {target['name']} does not fit: {err}") from err


def _renamed(image: str, images: list[dict[str, str]]) -> str:
    name, _, tag = image.partition(":")
    for one in images:
        if one["name"] == name:
            exact = f"@{one['digest']}" if "digest" in one else ""
            return f"{one.get('newName', name)}:{one.get('newTag', tag)}{exact}"
    return image
