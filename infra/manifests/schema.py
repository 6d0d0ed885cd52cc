"""Manifests against Kubernetes' own schema, as the classes of kubernetes-asyncio have it: unknown words, missing words, wrong kinds of values."""

import re
from collections.abc import Iterator
from types import NoneType
from typing import Any

import kubernetes_asyncio.client as kubernetes

from infra.manifests.render import Manifest

OTHERS = {
    ("external-secrets.io/v1", "ExternalSecret"): {
        "refreshInterval": str, "secretStoreRef": {"name": str, "kind": str}, "target": {"name": str},
        "data": [{"secretKey": str, "remoteRef": {"key": str, "property": str}}],
    },
}  # fmt: skip
"""Of operators, whose schema Kubernetes does not have: the words of `spec` that are used here, as external-secrets' API reference has them, and their kinds."""
SKY = {
    "name": str, "workdir": {"url": str, "ref": str}, "setup": str, "run": str, "envs": {"*": str}, "secrets": {"*": NoneType},
    "resources": {
        "accelerators": {"*": int}, "cpus": str, "memory": str, "disk_size": int, "use_spot": bool,
        "job_recovery": {"strategy": str, "max_restarts_on_errors": int},
    },
    "file_mounts": {"*": {"source": str, "mode": str}},
}  # fmt: skip
"""Of SkyPilot's tasks: the words that are used here, as its YAML reference has them, and their kinds; `*` is any."""
_LIST, _DICT = re.compile(r"list\[(.+)\]"), re.compile(r"dict\((\w+), (.+)\)")
_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
    "datetime": (str,),
}
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")


def misfits(manifest: Manifest) -> list[str]:
    """Return what does not fit; empty where all does. Of an operator's kinds those are known that are used here."""
    version, kind = manifest.get("apiVersion", ""), manifest.get("kind", "")
    where = f"{kind} {manifest.get('metadata', {}).get('name', '?')}"
    if (words := OTHERS.get((version, kind))) is not None:
        return list(_among(words, manifest.get("spec"), f"{where}.spec"))
    found = _class_of(version, kind)
    if found is None:
        return [f"there is no {kind} in {version}"]
    return list(_against(found, manifest, where))


def misfits_of_sky(task: Any) -> list[str]:
    """Return what is no word of a SkyPilot task that is used here, or of another kind."""
    return list(_among(SKY, task, "task"))


def _among(words: Any, value: Any, where: str) -> Iterator[str]:
    """Yield what is no word of an operator's, or of another kind."""
    if isinstance(words, type):
        if not isinstance(value, words):
            yield f"{where}: is {value!r}, and has to be {words.__name__}"
    elif not isinstance(value, type(words)):
        yield f"{where}: is {value!r}, and has to be {type(words).__name__}"
    elif isinstance(words, list):
        for at, inner in enumerate(value):
            yield from _among(words[0], inner, f"{where}[{at}]")
    else:
        for word, inner in value.items():
            if (known := words.get(word, words.get("*"))) is not None:
                yield from _among(known, inner, f"{where}.{word}")
            else:
                yield f"{where}: {word} is none of {', '.join(words)}"


def _class_of(version: str, kind: str) -> type | None:
    group, _, number = version.rpartition("/")
    names = [f"{number[0].upper()}{number[1:]}{kind}"] if number else []
    known: type | None = next((getattr(kubernetes, name) for name in names if hasattr(kubernetes, name)), None)
    if known is None:
        return None
    api = "".join(part.capitalize() for part in group.removesuffix(".k8s.io").split(".")) or "Core"
    return known if hasattr(kubernetes, f"{api}{number[0].upper()}{number[1:]}Api") else None


def _against(kind: type, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: is {value!r}, and has to have words of its own"
        return
    names = {said: ours for ours, said in kind.attribute_map.items()}  # type: ignore[attr-defined]
    for word, inner in value.items():
        if word not in names:
            yield f"{where}: {word} is no word of {kind.__name__}"
        elif inner is not None:
            yield from _typed(kind.openapi_types[names[word]], inner, f"{where}.{word}")  # type: ignore[attr-defined]
    yield from _lacking(kind, value, where, names)


def _lacking(kind: type, value: dict[str, Any], where: str, names: dict[str, str]) -> Iterator[str]:
    """Yield the words that have to be there: the class itself says so when it is made without them."""
    quiet = kubernetes.Configuration()
    quiet.client_side_validation = True
    given: dict[str, Any] = {names[word]: inner for word, inner in value.items() if word in names}
    for _ in range(20):
        try:
            kind(**given, local_vars_configuration=quiet)
            return
        except ValueError as err:
            lacking = re.search(r"Invalid value for `(\w+)`, must not be `None`", str(err))
            if lacking is None:
                yield f"{where}: {err}"
                return
            yield f"{where}: {kind.attribute_map[lacking[1]]} has to be said"  # type: ignore[attr-defined]
            given[lacking[1]] = "said"


def _typed(said: str, value: Any, where: str) -> Iterator[str]:
    if listed := _LIST.fullmatch(said):
        if not isinstance(value, list):
            yield f"{where}: is {value!r}, and has to be a list"
            return
        for at, inner in enumerate(value):
            yield from _typed(listed[1], inner, f"{where}[{at}]")
    elif keyed := _DICT.fullmatch(said):
        if not isinstance(value, dict):
            yield f"{where}: is {value!r}, and has to be names with values"
            return
        quantities = where.endswith((".limits", ".requests"))
        for key, inner in value.items():
            if quantities and not _QUANTITY.fullmatch(str(inner)):
                yield f"{where}.{key}: {inner!r} is no quantity"
            elif not quantities:
                yield from _typed(keyed[2], inner, f"{where}.{key}")
    elif said in _PLAIN:
        if not isinstance(value, _PLAIN[said]) or (said in ("int", "float") and isinstance(value, bool)):
            yield f"{where}: is {value!r}, and has to be {said}"
    elif said not in ("object", "IntOrString"):
        yield from _against(getattr(kubernetes, said), value, where)
