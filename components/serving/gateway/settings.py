"""What a gateway is told when it starts; its workers read it from one file."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

VARIABLE = "DIPTYCH_GATEWAY"  # names the file, for workers
SOCKET = "DIPTYCH_GATEWAY_SOCKET"  # the number of the file that a worker listens on
APART = "DIPTYCH_GATEWAY_APART"  # is there where a worker is to run no encoders itself, whatever the file says
COUNTS = "PROMETHEUS_MULTIPROC_DIR"  # where each of several workers counts, as prometheus_client reads it
BEGAN = "DIPTYCH_GATEWAY_BEGAN"  # when they began to count there, in seconds since 1970
DRAIN_S = 30  # that a worker has to answer what it has begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The numbers of a gateway.

    Args:
        root: the workspace whose server it fronts.
        workers: processes.
        hosts: names that it may be called by, besides those of this machine; a page elsewhere cannot reach it by another name.
        max_body_mb: of a request.
        in_flight: requests of one worker at once; more are turned away.
        deadline_s: seconds that a request may take unless it says less.
        hang_s: seconds that a worker's event loop may stand still, well above what a large body takes, until its keeper ends it.
        in_process: whether a worker runs encoders itself, where it can, in place of asking Triton for each vector.
        log_share: share of requests, 0 to 1, whose words, scores and vectors are kept for monitoring; pictures never are.
        log_days: after which what was kept goes.
        log_mb: that all of it may have, in 2**20 bytes; the oldest goes first.
        traces: file for spans of OpenTelemetry, a line of JSON each; None for none, or where OTEL_EXPORTER_OTLP_ENDPOINT says.
    """

    root: Path
    workers: int = 1
    hosts: tuple[str, ...] = ()
    max_body_mb: float = 32.0
    in_flight: int = 64
    deadline_s: float = 20.0
    hang_s: float = 30.0
    in_process: bool = True
    log_share: float = 0.0
    log_days: float = 30.0
    log_mb: float = 512.0
    traces: Path | None = None

    def write(self, path: Path) -> None:
        """Write the file for `read`."""
        path.write_text(json.dumps(asdict(self), default=str, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Read what `write` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        values |= {"root": Path(values["root"]), "hosts": tuple(values["hosts"])}
        values["traces"] = values["traces"] and Path(values["traces"])
        return cls(**values)

    @classmethod
    def told(cls) -> "Settings":
        """Return those of the process that started us."""
        settings = cls.read(Path(os.environ[VARIABLE]))
        return replace(settings, in_process=False) if APART in os.environ else settings
