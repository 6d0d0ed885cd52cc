"""Where the pages of a workspace are: those that `diptych ui` serves now, and the ports that it will take next time.

Ports are kept, so that a link that was written into a run while no page was up opens once one is.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from components.contracts.address import without_login
from components.contracts.errors import ConfigError
from components.serving.process import ProcessId
from components.stages.place import private
from flows.loopback import HOST, free_port

Page = Literal["prefect", "mlflow"]
MLFLOW_PAGE = "DIPTYCH_MLFLOW_PAGE"  # the variable; Prefect's own for the same is PREFECT_UI_URL
FIRST_PORT: dict[Page, int] = {"prefect": 4200, "mlflow": 5000}  # what people know them by


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages of a workspace.

    Args:
        prefect: address of the page of flows, without a slash at the end; its API is below /api.
        mlflow: address of the page of curves, metrics and versions.
        process: who serves them, and ends them with itself.
    """

    prefect: str
    mlflow: str
    process: ProcessId

    @classmethod
    def read(cls, root: Path) -> "Pages | None":
        """Return the pages that are served now; None when there are none, or only the record of a dead `diptych ui`."""
        try:
            values: dict[str, Any] = json.loads(_record(root).read_text(encoding="utf-8"))
            pages = cls(**values | {"process": ProcessId(**values["process"])})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return pages if pages.process.is_alive() else None

    @contextmanager
    def told(self, root: Path) -> Iterator[None]:
        """Let others find the pages while the block runs."""
        _write(_record(root), {**asdict(self)})
        try:
            yield
        finally:
            _record(root).unlink(missing_ok=True)


def own_prefect() -> str | None:
    """Return the page of the user's own Prefect server, where PREFECT_API_URL names one."""
    address = os.environ.get("PREFECT_API_URL")
    return without_login(address).removesuffix("/").removesuffix("/api") if address else None


def own_mlflow() -> str | None:
    """Return the page of the user's own MLflow server, where MLFLOW_TRACKING_URI names one."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    return without_login(address).removesuffix("/") if address.startswith(("http://", "https://")) else None


def mlflow_page(root: Path) -> str:
    """Return where people open MLflow's page, for links: as DIPTYCH_MLFLOW_PAGE says, the user's own, the one that is served now, or served next.

    Raises ConfigError where DIPTYCH_MLFLOW_PAGE is no address.
    """
    if address := said_mlflow() or own_mlflow():
        return address
    if pages := Pages.read(root):
        return pages.mlflow
    return f"http://{HOST}:{port_of(root, 'mlflow')}"


def said_mlflow() -> str:
    """Return the address that people use, where programs use another, such as a name that only containers know."""
    address = os.environ.get(MLFLOW_PAGE, "").strip().rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ConfigError(
            f"{MLFLOW_PAGE} is {address!r}, but links to MLflow begin with it. Give the address that people open: "
            "https://mlflow.example.org"
        )
    return without_login(address)


def port_of(root: Path, page: Page) -> int:
    """Return the port that a page takes in this workspace, chosen and kept at the first call."""
    if page not in _ports(root):
        keep_port(root, page, free_port(FIRST_PORT[page]))
    return _ports(root)[page]


def keep_port(root: Path, page: Page, port: int) -> None:
    """Keep the port of a page for the next time."""
    _write(_kept(root), {**_ports(root), page: port})


def _ports(root: Path) -> dict[str, int]:
    try:
        return {str(page): int(port) for page, port in json.loads(_kept(root).read_text()).items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, values: dict[str, Any]) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    half.replace(path)


def _record(root: Path) -> Path:
    return private(root) / "ui.json"


def _kept(root: Path) -> Path:
    return private(root) / "ports.json"
