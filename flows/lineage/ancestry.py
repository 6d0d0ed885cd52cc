"""What DVC, MLflow, package manifests and the record of what is served say together: from an endpoint back to the data, and forward again.

Nothing is written down for it anywhere else, so that there is nothing to keep in step.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.data.picture_index import Picture
from components.registry.deployments import DEPLOYED_AT, ENDPOINT, FAILED, REPLACED_AT, SPACE, TRITON
from components.registry.forebears import parents
from components.registry.saw import saw_of
from components.registry.versions import ModelVersion
from components.serving.endpoint import Endpoint
from components.serving.routes import read_routes
from flows.lineage.entries import RAW, Lineage
from flows.lineage.family_tree import Node
from flows.lineage.known import Known, taken_down, versions
from flows.lineage.pictures import Pictures, source_of

_DEPLOYED = {
    "deployed": DEPLOYED_AT, "at": ENDPOINT, "version of triton": TRITON, "space": SPACE, "replaced": REPLACED_AT, "not deployed": FAILED,
}  # fmt: skip
"""Facts of a version -> tags that a deploy sets."""


class Ancestry:
    """All that can be asked, read once."""

    def __init__(self, root: Path, lineage: Lineage) -> None:
        self.root = root
        self.lineage = lineage
        self.versions = versions(root)
        self.abouts = {its.label: its.about for its in self.versions if its.about is not None}
        routes = read_routes(root)
        self.shares = {one.endpoint.instance: "shadow" if one.shadow else one.share for one in routes.beside}
        self.endpoints = routes.endpoints
        self.pictures = Pictures(root, lineage)

    @property
    def here(self) -> dict[str, Any] | None:
        """What source.json says of the workspace's own data; None before anything came in."""
        with suppress(OSError, ValueError):
            return dict(json.loads((self.root / RAW / "source.json").read_text(encoding="utf-8")))
        return None

    def served(self, version: Known) -> Iterator[Node]:
        """Yield the endpoints that serve a version."""
        yield from (self.endpoint(one, "served at") for one in self.endpoints if one.package_digest == version.digest)

    def endpoint(self, its: Endpoint, how: str = "") -> Node:
        """Return an endpoint alone."""
        share = self.shares.get(its.instance, "")
        facts = {
            "serves": its.label, "since": its.started_at, **({"share": share} if share != "" else {}),
            **({} if its.process.is_alive() else {"process": "has ended"}),
        }  # fmt: skip
        return Node(kind="endpoint", name=its.http, how=how, facts=facts)

    def version(self, its: Known, how: str = "", below: tuple[Node, ...] = (), facts: Mapping[str, Any] = {}) -> Node:
        """Return a version alone, or with what is told below it."""
        said: dict[str, Any] = {"aliases": list(its.aliases)} if its.aliases else {}
        said |= {"package": its.digest} | {name: its.tags[tag] for name, tag in _DEPLOYED.items() if tag in its.tags}
        if taken := taken_down(its.tags):
            said["taken down"] = taken
        return Node(kind="version", name=its.label, how=how, facts={**said, **facts}, below=below)

    def back(self, its: Known, how: str = "") -> Node:
        """Return a version with all that it was made from."""
        return self.version(its, how, (Node(kind="run", name=its.run_id, how="registered from", below=self.made(its)),))

    def forward(self, its: Known, how: str = "", facts: Mapping[str, Any] = {}) -> Node:
        """Return a version with where it is served."""
        return self.version(its, how, tuple(self.served(its)), facts)

    def made(self, its: Known) -> tuple[Node, ...]:
        """Return what a version's run was made from."""
        if its.about is None:
            return ()
        nodes = [Node(kind="recipe", name=its.said("recipe") or its.name, how="by", facts=_numbers(its.about))]
        if its.said("git_commit"):
            nodes.append(
                Node(kind="commit", name=str(its.said("git_commit")), how="with", facts=_uncommitted(its.about))
            )
        environment = its.about.get("environment")
        if isinstance(environment, dict):
            facts = {name: environment[name] for name in ("python", "processor", "threads") if environment.get(name)}
            nodes.append(Node(kind="environment", name=str(environment.get("digest")), how="in", facts=facts))
        else:
            nodes.append(Node(kind="environment", name="not recorded", how="in"))
        start = its.about.get("start")
        if isinstance(start, dict):
            before = [*parents(its.about, self.abouts)]
            below = tuple(self.back(one, "is the model of") for one in self.versions if one.label in before)
            nodes.append(Node(kind="start", name=str(start.get("digest")), how="begun from", facts={"path": start.get("path")}, below=below))  # fmt: skip
        if its.said("data_digest"):
            nodes.append(self.data(its.about, "from"))
        return tuple(nodes)

    def data(self, about: Mapping[str, Any], how: str = "", more: tuple[Node, ...] = ()) -> Node:
        """Return the data that a package names, with where it came from."""
        digest = str(about.get("data_digest"))
        said = source_of(self.root, about, self.lineage)
        if said is None:
            return Node(
                kind="data", name=digest, how=how, facts={"source": "neither here nor in DVC's cache"}, below=more
            )
        facts = {"samples": said["samples"]} if "samples" in said else {}
        return Node(kind="data", name=digest, how=how, facts=facts, below=(*_source(said), *more))

    def holders(self, picture: Picture) -> tuple[Node, ...]:
        """Return which data of the workspace holds a picture, and which versions saw it."""
        nodes = []
        for path, index in self.pictures.sets():
            if splits := index.splits_of(picture):
                nodes.append(Node(kind="set", name=path, how="held by", facts=_counted(splits)))
        splits_of = self._splits_of(picture)
        for its in self.versions:
            saw = saw_of(_plain(its), its.about, splits_of, self.abouts)
            if saw.how:
                unknown = {"of the rest cannot be told": saw.why_not} if saw.why_not else {}
                nodes.append(self.forward(its, "seen by", {**saw.how, **unknown}))
            elif saw.why_not:
                nodes.append(self.forward(its, "may be seen by", {"cannot be told": saw.why_not}))
        return tuple(nodes)

    def _splits_of(self, picture: Picture) -> Callable[[Mapping[str, Any], str], list[str] | None]:
        def splits(about: Mapping[str, Any], folder: str) -> list[str] | None:
            index = self.pictures.of(about, folder)
            return None if index is None else index.splits_of(picture)

        return splits


def _numbers(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: about[name] for name in ("scale", "seed") if about.get(name) is not None}


def _uncommitted(about: Mapping[str, Any]) -> dict[str, Any]:
    files = about.get("uncommitted")
    return {"files that it lacks": files} if files else {}


def _source(said: Mapping[str, Any]) -> tuple[Node, ...]:
    """Return where data came from: a source, with its wheels where it is made of such."""
    source = said.get("source")
    if not isinstance(source, dict):
        return ()
    wheels = source.get("wheels")
    below = [
        Node(
            kind="source", name=name, how="wheel", facts={key: its[key] for key in ("version", "sha256") if key in its}
        )
        for name, its in (wheels.items() if isinstance(wheels, dict) else ())
        if isinstance(its, dict)
    ]
    plain = {
        name: value
        for name, value in source.items()
        if name not in ("name", "wheels", "designers") and value is not None
    }
    return (Node(kind="source", name=str(source.get("name")), how="of", facts=plain, below=tuple(below)),)


def _counted(splits: list[str]) -> dict[str, Any]:
    return {split: splits.count(split) for split in dict.fromkeys(splits)}


def _plain(its: Known) -> ModelVersion:
    return ModelVersion(name=its.name, version=its.version, digest=its.digest, run_id=its.run_id, aliases=its.aliases)
