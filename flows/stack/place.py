"""Where the servers of a workspace keep what they have: folders, ports that stay the same, passwords that nobody had to think of."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, StaleArtifact
from components.stages.place import private
from flows.claims import Claims
from flows.loopback import HOST

PORTS = {
    "postgres": 5432, "s3": 8333, "prefect": 4200, "mlflow": 5000, "hooks": 8810, "supervisor": 9810, "s3-metrics": 9327, "worker-cpu": 8090, "worker-gpu": 8190,
    "s3-master": 9333, "s3-master-grpc": 0, "s3-volume": 0, "s3-volume-grpc": 0, "s3-filer": 0, "s3-filer-grpc": 0, "s3-grpc": 0,
}  # fmt: skip
"""Name -> the port that is asked for first; 0 where any below those that outgoing connections take is as good."""
FIRST_ANY = 20_000
_SECRETS = (
    "postgres", "postgres-prefect", "postgres-mlflow", "prefect", "mlflow", "mlflow-jobs", "mlflow-serving", "mlflow-forms", "s3-admin", "s3-mlflow", "s3-dvc",
    "s3-within-volume", "s3-within-filer",
)  # fmt: skip
SETTINGS = (
    "DIPTYCH_CACHE", "DIPTYCH_CHECKPOINTS", "DIPTYCH_DECODED_GB", "DIPTYCH_KEEP_RUNS_DAYS", "DIPTYCH_LOCK_WAIT_S", "DIPTYCH_MLFLOW_PAGE", "DIPTYCH_PRICE_PER_HOUR", "DIPTYCH_REMOTE", "DIPTYCH_SIGNING_KEY",
    "DIPTYCH_TRIES_A_DAY", "DIPTYCH_WATTS", "PREFECT_UI_URL",
)  # fmt: skip
"""Variables that say how servers and runs behave, and are no secrets: those of the shell that started the servers are theirs until they end."""
USER = "diptych"
KEYS = "passwords.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is known before any server runs.

    Args:
        root: of the workspace.
        data: what servers keep: databases, objects, logs.
        ports: by name, on this machine alone; the same each time.
        passwords: by name; in no traceback.
    """

    root: Path
    data: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, root: Path, data: Path | None, claims: Claims) -> "Place":
        """Return that of a workspace whose servers are to start, made where it is not there yet; a port that somebody else has is chosen anew.

        Args:
            data: where servers keep what they have; where they did last time, or within the workspace, where it is None.
            claims: on the ports, until the servers are there.

        Raises ConfigError where they would lie among the workspace's own files, StaleArtifact where a file of it cannot be read, or what the servers kept is not where it was.
        """
        root = root.resolve()
        known = _read(_home(root))
        before = Path(known["data"]) if "data" in known else None
        data = (data or before or private(root, "stack") / "data").resolve()
        if data == root:
            raise ConfigError(
                f"{data} is the workspace itself, and the servers would keep databases and passwords among its files. Name another folder: diptych up --data "
                "DIR, or leave --data out."
            )
        if data == before and not (data / KEYS).exists():
            raise StaleArtifact(
                f"{data}, where the servers kept what they have, has no {KEYS} any more. If its disk is not mounted, mount it; to begin with empty "
                f"servers elsewhere: diptych up --data DIR"
            )
        is_new = not data.exists()
        (data / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new:  # a folder that was there is somebody's as it is
            data.chmod(0o700)
        ports = _ports(root, known.get("ports", {}), claims)
        if (now := {"data": str(data), "ports": ports}) != known:
            _write(_home(root), now)
        return cls(root=root, data=data, ports=ports, passwords=_passwords(data))

    @classmethod
    def read(cls, root: Path) -> "Place":
        """Return that of a workspace whose servers have run, writing nothing. ConfigError where none have, StaleArtifact as of `of`."""
        root = root.resolve()
        known = _read(_home(root))
        if not known:
            raise ConfigError("no servers of this workspace ever ran. Start them: diptych up")
        data = Path(known["data"])
        return cls(root=root, data=data, ports=known["ports"], passwords=_read(data / KEYS))

    @property
    def keys(self) -> Path:
        """Return where the passwords are, for their owner alone."""
        return self.data / KEYS

    def log(self, name: str) -> Path:
        """Return what a server prints."""
        return self.data / "logs" / f"{name}.log"

    def url(self, name: str) -> str:
        """Return where a server that speaks HTTP is."""
        return f"http://{HOST}:{self.ports[name]}"

    def database(self, name: str, user: str, driver: str) -> str:
        """Return the URL of a database, with its password."""
        return (
            f"postgresql+{driver}://{user}:{self.passwords[f'postgres-{user}']}@{HOST}:{self.ports['postgres']}/{name}"
        )

    def environment(self) -> dict[str, str]:
        """Return what a client's process needs to know: where Prefect and MLflow are, and who we are there."""
        return {
            "PREFECT_API_URL": f"{self.url('prefect')}/api", "PREFECT_API_AUTH_STRING": f"{USER}:{self.passwords['prefect']}",
            "MLFLOW_TRACKING_URI": self.url("mlflow"), "MLFLOW_TRACKING_USERNAME": USER,
            "MLFLOW_TRACKING_PASSWORD": self.passwords["mlflow"],
        }  # fmt: skip


@contextmanager
def unmoved(root: Path) -> Iterator[None]:
    """Have the servers' data be where they were before where the block does not end well, or is interrupted, so that a start that fails elsewhere moves nothing."""
    home = _home(root.resolve())
    before = _read(home)
    try:
        yield
    except BaseException:
        if not before:
            home.unlink(missing_ok=True)
        elif before != _read(home):
            _write(home, before)
        raise


def is_made(root: Path) -> bool:
    """Return whether servers of this workspace ever ran."""
    return _home(root.resolve()).exists()


def record_file(root: Path) -> Path:
    """Return where the supervisor says how its servers are."""
    return root.resolve() / ".diptych" / "stack" / "services.json"


def ended_file(root: Path) -> Path:
    """Return what is there where somebody had the servers end, who are not to be started again untold."""
    return root.resolve() / ".diptych" / "stack" / "ended"


def _home(root: Path) -> Path:
    return root / ".diptych" / "stack" / "place.json"


def _ports(root: Path, known: Mapping[str, int], claims: Claims) -> dict[str, int]:
    """Return a port for each name, and claim it: that of last time where it is free, else one that is."""
    any_from = FIRST_ANY + int(hashlib.sha256(str(root).encode()).hexdigest(), 16) % 500 * len(PORTS)
    chosen: dict[str, int] = {}
    for place, (name, first) in enumerate(PORTS.items()):
        port = int(known.get(name, 0))
        if not port or not claims.take(port):
            port = claims.first(first or any_from + place)
        chosen[name] = port
    return chosen


def _passwords(data: Path) -> dict[str, str]:
    path = data / KEYS
    known = _read(path)
    if lacking := [name for name in _SECRETS if name not in known]:
        known |= {name: secrets.token_hex(20) for name in lacking}
        _write(path, known)
    if "webhooks" not in known:
        from cryptography.fernet import Fernet

        known["webhooks"] = Fernet.generate_key().decode()
        _write(path, known)
    return known


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as err:
        raise StaleArtifact(
            f"{path} cannot be read ({type(err).__name__}: {err}), so the servers' ports or passwords are unknown. Bring it back from a backup."
        ) from err


def _write(path: Path, said: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, json.dumps(said, indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone, so that a reader sees the old one or the new one, also after a power cut."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.touch(mode=0o600)
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
