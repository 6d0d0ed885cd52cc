"""The record of what is served in a workspace: `.diptych/served/server.json`, whole or absent, never half."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from components.contracts.errors import StaleArtifact
from components.serving.process import ProcessId

VERSION = 1
T = TypeVar("T", "Endpoint", ProcessId)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that was verified and handed over.

    Args:
        http, grpc, metrics: addresses, host:port, reachable from this machine only.
        package_digest: which package it serves.
        space: which vectors may be compared with its own: `components.serving.package.Package.space`.
        label: the model version as the caller calls it, such as "clip@3".
        process: the server's process.
        instance: the server's name, that of its folder too.
        repository: its model repository.
        log: what it and its Python models print.
        key_file: the key that the restricted APIs ask for, readable by the owner only; the header is triton-admin
            over HTTP and triton-grpc-protocol-triton-admin over gRPC.
        shm_prefix: how the names of its shared memory begin.
        started_at: ISO 8601, UTC.
    """

    http: str
    grpc: str
    metrics: str
    package_digest: str
    label: str
    process: ProcessId
    instance: str
    repository: Path
    log: Path
    key_file: Path
    shm_prefix: str
    started_at: str
    space: str

    def to_json(self) -> str:
        """Return the text of server.json."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2, default=str) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Endpoint":
        """Read the text of server.json; ValueError, KeyError or TypeError when it is not one of this version."""
        values: dict[str, Any] = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError(f"it is {type(values).__name__}, and no object with fields")
        if values.pop("version") != VERSION:
            raise ValueError("another version of diptych wrote it")
        values.setdefault(
            "space", values["package_digest"]
        )  # of a server of before, each package was a space of its own
        values |= {name: Path(values[name]) for name in ("repository", "log", "key_file")}
        return _typed(cls(**values | {"process": _typed(ProcessId(**values["process"]))}))


def _typed(record: T) -> T:
    """Return a record whose fields are of the types that it promises; TypeError where one is not, as whoever edits it by hand may leave it."""
    for one in fields(record):
        value = getattr(record, one.name)
        assert isinstance(one.type, type)
        if not isinstance(value, one.type):
            raise TypeError(f"{one.name} is {type(value).__name__}, and must be {one.type.__name__}")
    return record


def served_folder(root: Path) -> Path:
    """Return the folder of everything about serving in this workspace; making it is the writer's business."""
    return root.resolve() / ".diptych" / "served"


def read_endpoint(root: Path) -> Endpoint | None:
    """Return what was handed over last, None when nothing is; it may have died since."""
    path = served_folder(root) / "server.json"
    try:
        return Endpoint.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}: {err}), so it is unknown what is served. "
            "Run `diptych down`, which stops every server of this workspace, then `make run`."
        ) from err


def write_endpoint(root: Path, endpoint: Endpoint) -> None:
    """Write the record so that a reader sees the old one or the new one, also after a power cut; what was stopped is nothing to go on with from then on."""
    _write(served_folder(root) / "server.json", endpoint)
    forget_stopped(root)


def read_served(root: Path) -> Endpoint | None:
    """Return what was handed over last, as `read_endpoint`; None, too, where nobody can read it."""
    return _kept(root, "server.json")


def stop_endpoint(root: Path) -> None:
    """Have what is served count as stopped, whose files are kept so that it can go on; by a name, for which a full disk has room."""
    with suppress(FileNotFoundError):
        (served_folder(root) / "server.json").replace(served_folder(root) / "stopped.json")


def read_stopped(root: Path) -> Endpoint | None:
    """Return what was served when all was stopped; None where something is served, nothing was, or nobody can read it."""
    return _kept(root, "stopped.json")


def go_on(root: Path) -> None:
    """Have what was stopped count as served, though its process has ended."""
    with suppress(FileNotFoundError):
        (served_folder(root) / "stopped.json").replace(served_folder(root) / "server.json")


def forget_stopped(root: Path) -> None:
    """Have nothing that could go on."""
    (served_folder(root) / "stopped.json").unlink(missing_ok=True)


def read_previous(root: Path) -> Endpoint | None:
    """Return what was served before, whose files are kept so that it can be again; None where nothing was, or nobody can read it."""
    return _kept(root, "previous.json")


def write_previous(root: Path, endpoint: Endpoint) -> None:
    """Write down what was served before; what it says goes on existing, as `sweep` sees to."""
    _write(served_folder(root) / "previous.json", endpoint)


def forget_previous(root: Path) -> None:
    """Have nothing that could be gone back to."""
    (served_folder(root) / "previous.json").unlink(missing_ok=True)


def _kept(root: Path, name: str) -> Endpoint | None:
    try:
        return Endpoint.from_json((served_folder(root) / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, endpoint: Endpoint) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(endpoint.to_json())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
