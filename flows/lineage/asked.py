"""`diptych lineage WHAT`: what a name means, and all that is known of it, backward and forward."""

import json
import re
import subprocess
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from components.contracts.errors import ConfigError
from flows.lineage.ancestry import Ancestry
from flows.lineage.entries import MANIFEST, RAW, Lineage
from flows.lineage.family_tree import Node, as_lines, as_mermaid
from flows.lineage.known import Known

_HEX = re.compile(r"[0-9a-f]{8,64}")
_MOST_COMPARED = 20_000  # keys that an unknown name is compared with


def lineage(root: Path, what: str, as_json: bool = False, mermaid: bool = False) -> str:
    """Return what is known of it, as lines, JSON or a picture of Mermaid; errors as of `asked`."""
    with Lineage(root) as opened:
        found = asked(Ancestry(root, opened), what)
    if as_json:
        return json.dumps({"asked": what, "found": [node.as_json() for node in found]}, ensure_ascii=False)
    return as_mermaid(found) if mermaid else "\n".join(as_lines(found))


def asked(all_of_it: Ancestry, what: str) -> tuple[Node, ...]:
    """Return a tree for each thing that is called so; ConfigError, with the nearest names, where none is."""
    found = (*_versions(all_of_it, what), *_endpoints(all_of_it, what), *_by_digest(all_of_it, what))
    found = found or tuple(_pictures(all_of_it, what)) or tuple(_revisions(all_of_it, what))
    if not found:
        raise _unknown(all_of_it, what)
    return found


def _versions(all_of_it: Ancestry, what: str) -> Iterator[Node]:
    """Yield versions by label or alias, below the endpoints that serve them."""
    name, at, called = what.partition("@")
    for its in all_of_it.versions:
        if (at and its.name == name and called in (its.version, *its.aliases)) or (not at and what in its.aliases):
            yield from _below_endpoints(all_of_it, its)


def _below_endpoints(all_of_it: Ancestry, its: Known) -> Iterator[Node]:
    served = [one for one in all_of_it.endpoints if one.package_digest == its.digest]
    for one in served:
        alone = all_of_it.endpoint(one)
        yield Node(kind=alone.kind, name=alone.name, facts=alone.facts, below=(all_of_it.back(its, "serves"),))
    if not served:
        yield all_of_it.back(its)


def _endpoints(all_of_it: Ancestry, what: str) -> Iterator[Node]:
    """Yield what is served, for `endpoint` all of it, else by address or the server's name."""
    wanted = re.sub(r"^https?://|/$", "", what)
    for one in all_of_it.endpoints:
        if what == "endpoint" or wanted in (one.http, one.grpc, one.metrics, one.instance):
            alone = all_of_it.endpoint(one)
            made = [all_of_it.back(its, "serves") for its in all_of_it.versions if its.digest == one.package_digest]
            yield Node(kind=alone.kind, name=alone.name, facts=alone.facts, below=tuple(made))


def _by_digest(all_of_it: Ancestry, what: str) -> Iterator[Node]:
    """Yield runs, packages, data and commits whose name begins so."""
    if not _HEX.fullmatch(what):
        return
    for its in all_of_it.versions:
        if its.digest.startswith(what):
            yield from _below_endpoints(all_of_it, its)
    for run in dict.fromkeys(its.run_id for its in all_of_it.versions if its.run_id.startswith(what)):
        of_it = [its for its in all_of_it.versions if its.run_id == run]
        became = [all_of_it.forward(its, "became") for its in of_it]
        yield Node(kind="run", name=run, below=(*became, *all_of_it.made(of_it[0])))
    here = all_of_it.here
    digests = [str(its.said("data_digest")) for its in all_of_it.versions] + ([str(here.get("digest"))] if here else [])
    for digest in dict.fromkeys(one for one in digests if one.startswith(what)):
        yield _data(all_of_it, digest)
    for field, kind in (("git_commit", "commit"), ("environment", "environment")):
        names = [_of(its, field) for its in all_of_it.versions]
        for name in dict.fromkeys(one for one in names if one and one.startswith(what)):
            went = [all_of_it.forward(its, "made") for its in all_of_it.versions if _of(its, field) == name]
            yield Node(kind=kind, name=name, below=tuple(went))  # type: ignore[arg-type]


def _of(its: Known, field: str) -> str | None:
    if field == "environment":
        environment = (its.about or {}).get("environment")
        return str(environment.get("digest")) if isinstance(environment, dict) else None
    return its.said(field)


def _data(all_of_it: Ancestry, digest: str) -> Node:
    """Return data with where it came from, and where it went."""
    of_it = [its for its in all_of_it.versions if its.said("data_digest") == digest]
    here = all_of_it.here or {}
    held = (
        [Node(kind="set", name=RAW, how="held by", facts={"samples": here.get("samples")})]
        if here.get("digest") == digest
        else []
    )
    about = of_it[0].about if of_it else None
    went = [all_of_it.forward(its, "made") for its in of_it]
    return all_of_it.data(about or {"data_digest": digest}, more=(*held, *went))


def _pictures(all_of_it: Ancestry, what: str) -> Iterator[Node]:
    """Yield the picture of a key."""
    picture = all_of_it.pictures.named(what, [its.about for its in all_of_it.versions if its.about is not None])
    if picture is not None:
        yield Node(kind="picture", name=what, below=all_of_it.holders(picture))


def _revisions(all_of_it: Ancestry, what: str) -> Iterator[Node]:
    """Yield the commit that git calls so, though no version was made with it."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{what}^{{commit}}"]
    try:
        commit = subprocess.run(command, cwd=all_of_it.root, capture_output=True, text=True, check=False).stdout.strip()
    except (FileNotFoundError, ValueError):  # no git, or a name with a zero in it
        return
    if commit:
        went = [all_of_it.forward(its, "made") for its in all_of_it.versions if its.said("git_commit") == commit]
        yield Node(kind="commit", name=commit, facts={} if went else {"versions": "none"}, below=tuple(went))


def _unknown(all_of_it: Ancestry, what: str) -> ConfigError:
    names = [name for its in all_of_it.versions for name in (its.label, *its.aliases, *(f"{its.name}@{one}" for one in its.aliases))]  # fmt: skip
    names += [one.http for one in all_of_it.endpoints]
    if what == "endpoint":
        said = "Nothing is served in this workspace: make run, or diptych lineage champion for what would be"
    elif not names:
        said = "There is no version yet: diptych run"
    else:
        said = f"There are the versions {', '.join(dict.fromkeys(its.label for its in all_of_it.versions))}"
    near = get_close_matches(what, dict.fromkeys([*names, *_keys(all_of_it.root)]), n=3, cutoff=0.6)
    return ConfigError(
        f"{what!r} is no alias or version (champion, clip@champion, clip@3), no run, package, data or environment by at least 8 digits of "
        f"its digest, no commit, no endpoint, and no key of a picture in the workspace's data or in that of a version. {said}."
        + (f" Nearest: {', '.join(near)}." if near else "")
    )


def _keys(root: Path) -> list[str]:
    path = root / RAW / MANIFEST
    if not path.exists():
        return []
    import pyarrow.parquet as pq

    keys: list[str] = (
        pq.read_table(path, columns=["key"], partitioning=None)["key"].slice(0, _MOST_COMPARED).to_pylist()
    )
    return keys
