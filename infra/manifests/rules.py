"""What every container here has to keep to, whatever starts it; a broken rule is a sentence that says where, and what to write."""

import re
from collections.abc import Iterator
from typing import Any

from infra.manifests.render import Manifest, containers, pod_of

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_EXACT = re.compile(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)*$")


def pinned(image: str) -> bool:
    """Return whether an image is named by digest, or by the tag of one release: 1.2.3 or 25.06-py3, and never by latest, 17 or stable."""
    return bool(_DIGEST.search(image) or _EXACT.search(image))


def broken(manifest: Manifest) -> Iterator[str]:
    """Yield what a manifest of Kubernetes does not keep to."""
    pod = pod_of(manifest)
    if pod is None:
        return
    where = f"{manifest['kind']} {manifest['metadata'].get('name') or manifest['metadata'].get('generateName')}"
    yield from (f"{where}: {said}" for said in _of_pod(pod))
    for container in containers(manifest):
        yield from (f"{where}, {container['name']}: {said}" for said in _of_container(container))
    if manifest["kind"] == "Deployment":
        for container in pod["containers"]:
            if "livenessProbe" not in container:
                yield f"{where}, {container['name']}: nobody would notice that it hangs; give it a livenessProbe"


def _of_pod(pod: Manifest) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root; say securityContext: {runAsNonRoot: true, runAsUser: 10001}"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "may call the kernel as it likes; say securityContext: {seccompProfile: {type: RuntimeDefault}}"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield f"has {name}, which is the node's own"
    if "serviceAccountName" not in pod:
        yield "has the account `default`; name one of accounts.yaml"
    if pod.get("serviceAccountName") != "worker" and pod.get("automountServiceAccountToken") is not False:
        yield "gets a token for the cluster's API, which only workers need; say automountServiceAccountToken: false"
    if pod.get("automountServiceAccountToken") is not False:
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            for mount in container.get("volumeMounts", ()):
                if mount["mountPath"].removeprefix("/var").startswith("/run/secrets"):
                    yield f"mounts {mount['name']} where its token for the cluster's API has to go; say another mountPath, and DIPTYCH_SECRETS"
    for volume in pod.get("volumes", ()):
        if "hostPath" in volume:
            yield f"its volume {volume['name']} is the node's own disk"
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"its volume {volume['name']} may fill the node; say sizeLimit"
        if any(word in volume for word in ("secret", "projected")) and _mode(volume) & 0o007:
            yield f"everybody may read its volume {volume['name']}; say defaultMode: 0440"


def _mode(volume: Manifest) -> int:
    return int((volume.get("secret") or volume["projected"]).get("defaultMode", 0o644))


def _of_container(container: Manifest) -> Iterator[str]:
    if not pinned(container["image"]):
        yield f"{container['image']} is another image tomorrow; name it by digest or exact tag"
    context = container.get("securityContext", {})
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write over its own image; say securityContext: {readOnlyRootFilesystem: true}"
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain rights; say securityContext: {allowPrivilegeEscalation: false}"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
        yield "keeps capabilities; say securityContext: {capabilities: {drop: [ALL]}}"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "runs as root after all"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        if lacking := [name for name in ("cpu", "memory") if name not in resources.get(kind, {})]:
            yield f"says no {kind} of {' and '.join(lacking)}"
    for variable in container.get("env") or ():
        if "value" in variable and _is_secret(variable["name"]):
            yield f"{variable['name']} is in the manifest for everybody to read; take it from a secret"


def _is_secret(name: str) -> bool:
    return bool(re.search(r"PASSWORD|TOKEN|SECRET_ACCESS|AUTH_STRING$|_KEY$", name)) and not name.endswith(
        ("_SECRET_KEY", "_SECRET_NAME")
    )


def broken_compose(compose: dict[str, Any], secret_file: str = "./secrets/") -> Iterator[str]:
    """Yield what the services of a compose file do not keep to."""
    for name, service in compose["services"].items():
        yield from (f"{name}: {said}" for said in _of_service(service))
    for name, secret in compose.get("secrets", {}).items():
        if not str(secret.get("file", "")).startswith(secret_file):
            yield f"secret {name}: is no file below {secret_file}"
    for name, config in compose.get("configs", {}).items():
        if "file" not in config:
            yield f"config {name}: would be written over an image that may not be written to; say file:"


def _of_service(service: dict[str, Any]) -> Iterator[str]:
    if not pinned(service["image"]):
        yield f"{service['image']} is another image tomorrow; name it by digest or exact tag"
    if service.get("read_only") is not True:
        yield "may write over its own image; say read_only: true"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        yield "keeps capabilities; say cap_drop: [ALL]"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield 'may gain rights; say security_opt: ["no-new-privileges:true"]'
    if str(service.get("user", "0")).split(":")[0] in ("0", "root"):
        yield 'runs as root; say user: "10001:10001"'
    if "healthcheck" not in service:
        yield "nobody knows whether it is well; give it a healthcheck"
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not {"cpus", "memory"} <= limits.keys():
        yield "may take all of the machine; say deploy.resources.limits: {cpus: .., memory: ..}"
    for port in service.get("ports", ()):
        if not str(port).startswith("127.0.0.1:"):
            yield f"port {port} can be reached from other machines; begin it with 127.0.0.1:"
    environment = service.get("environment") or {}
    for name, value in environment.items() if isinstance(environment, dict) else ():
        if value is not None and _is_secret(name) and not name.endswith("_FILE"):
            yield f"{name} is in the file for everybody to read; take it from a secret"
    for volume in service.get("volumes", ()):
        if str(volume).startswith(("/", "~")) or "docker.sock" in str(volume):
            yield f"{volume} is the machine's own"
