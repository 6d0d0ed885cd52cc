"""The record of a workspace's gateway: `.diptych/served/gateway.json`, whole or absent, and where its other files are."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from components.serving.endpoint import served_folder
from components.serving.process import ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway that runs, or did.

    Args:
        address: host:port.
        process: of its keeper.
    """

    address: str
    process: ProcessId

    @classmethod
    def of_this_process(cls, address: str) -> Self:
        """Return the record of a gateway that this process keeps."""
        return cls(address=address, process=ProcessId.of(os.getpid()))

    @property
    def url(self) -> str:
        """Return where its page is."""
        return f"http://{self.address}/"


def gateway_record(root: Path) -> Path:
    """Return where a gateway says that it runs; the file of one that was killed stays, and who stops one takes it away."""
    return served_folder(root) / "gateway.json"


def read_gateway(root: Path) -> Gateway | None:
    """Return the gateway that runs in a workspace, None where none does; a record that cannot be read is of none."""
    try:
        values = json.loads(gateway_record(root).read_text(encoding="utf-8"))
        found = Gateway(address=values["address"], process=ProcessId(**values["process"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return found if found.process.is_alive() else None


def write_gateway(root: Path, gateway: Gateway) -> None:
    """Write the record so that a reader sees the old one or the new one."""
    path = gateway_record(root)
    partial = path.with_name(f"gateway.json.{os.getpid()}")
    partial.write_text(json.dumps(asdict(gateway), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def settings_file(root: Path) -> Path:
    """Return where a gateway reads its numbers."""
    return served_folder(root) / "gateway-settings.json"


def gateway_log(root: Path) -> Path:
    """Return where a gateway and its workers write what went wrong."""
    return served_folder(root) / "gateway.log"
