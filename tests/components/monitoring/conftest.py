"""A workspace that serves a model of drawn vectors, without a server, and a gateway's log that is written by its own writer."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.contracts.monitor import Watch
from components.monitoring.budgets import Counts
from components.monitoring.events import Event
from components.monitoring.look import World, look
from components.monitoring.requests import Requests
from components.monitoring.seen import Seen
from components.serving.endpoint import Endpoint, write_endpoint
from components.serving.gateway.samples import SCHEMA, Samples
from components.serving.process import ProcessId

WIDTH, PICTURES = 16, 400
NOW = datetime(2020, 6, 1, 12, tzinfo=UTC)
WATCH = Watch(permutations=400, alpha=0.05, least_rows=60, most_rows=200)


def directions(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    """Unit vectors about one direction, or about another."""
    centre = np.zeros(WIDTH)
    centre[0], centre[1] = 1, shift
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH)) / 2 + centre
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def requests_of(
    seed: int, count: int, langs: Sequence[str] = ("de", "ja"), texts: np.ndarray | None = None
) -> Requests:
    """Return drawn searches by words in some languages, of vectors that are given or drawn too, and as many by pictures."""
    rng, sides = (
        np.random.default_rng(seed),
        {"text": directions(2 * seed, count) if texts is None else texts, "image": directions(2 * seed + 1, count)},
    )
    rows = [
        {
            "at": NOW, "side": side, "embedding": vector.astype(np.float16), "lang": langs[at % len(langs)] if side == "text" else None,
            "query": f"{at}" if side == "text" else None, "scores": [float(rng.normal())],
        }
        for side, vectors in sides.items() for at, vector in enumerate(vectors)
    ]  # fmt: skip
    return Requests(table=pa.Table.from_pylist(rows, SCHEMA))


@dataclass
class Served:
    """A workspace, and who is asked in it.

    Args:
        root: of it.
        counts: what the gateway says of itself.
        of_version: what it counted of the version that is served.
        told: what Prefect was told.
        fails: whether telling fails.
    """

    root: Path
    counts: Counts | None = None
    of_version: Counts | None = None
    told: list[Event] = field(default_factory=list)
    fails: bool = False

    def deploy(self, digest: str = "a" * 64, started: datetime = NOW - timedelta(days=3)) -> None:
        """Serve an index of drawn pictures, each with a text of its own, half of them German."""
        model = self.root / digest[:4] / "models" / "image_retrieval" / "1"
        model.mkdir(parents=True, exist_ok=True)
        np.save(model / "index.npy", directions(1, PICTURES))
        names = [f"{'ein Ding' if at % 2 else 'a thing'} {at}" for at in range(PICTURES)]
        columns = {"key": [f"k{at}" for at in range(PICTURES)], "text": names, "source": ["drawn"] * PICTURES}
        (model / "index.json").write_text(json.dumps(columns))
        write_endpoint(
            self.root,
            Endpoint(
                http="127.0.0.1:1", grpc="127.0.0.1:2", metrics="127.0.0.1:3", package_digest=digest, space="s" * 64, label="drawn@1", process=ProcessId.of(os.getpid()),
                instance="one", repository=model.parents[1], log=self.root / "log", key_file=self.root / "key", shm_prefix="x",
                started_at=started.isoformat(),
            ),
        )  # fmt: skip

    def ask(
        self, vectors: np.ndarray, side: str = "text", at: datetime = NOW - timedelta(hours=1), status: int = 200,
        seconds: float = 0.01, lang: str = "und-Latn", scores: Sequence[float] | None = None, digest: str = "a" * 64,
    ) -> None:  # fmt: skip
        """Write a request a vector into the log, as the gateway does."""
        samples = Samples(self.root, 1.0, keep_days=36_500)
        for place, vector in enumerate(vectors):
            words = {
                "query": f"{lang} {at} {place}",
                "lang": lang,
                "scores": [0.1 if scores is None else scores[place]],
            }
            row = {
                "at": at, "request_id": f"{place}", "route": "/v1/search", "version": "drawn@1", "package": digest, "space": "s" * 64, "status": status, "seconds": seconds,
                "side": side, "embedding": vector.astype(np.float16), **(words if side == "text" else {}),
            }  # fmt: skip
            samples.take(lambda row=row: row)  # type: ignore[misc]
        samples.write()

    def look(self, watch: Watch = WATCH, now: datetime = NOW, acts: bool = True) -> Seen:
        """Look once."""
        world = World(
            embed=lambda endpoint: self.embed,
            counts=lambda: self.counts,
            counts_of=lambda label: self.of_version,
            tell=self.tell if acts else None,
            now=lambda: now,
        )
        return look(self.root, watch, 0, world)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return a vector a text, about the direction that the pictures have."""
        return np.concatenate([directions(int.from_bytes(text.encode()[-8:], "big"), 1) for text in texts])

    def tell(self, events: Sequence[Event]) -> None:
        """Hear what happened."""
        if self.fails:
            raise ConnectionError("nobody there")
        self.told += events

    def asked(self) -> list[str]:
        """Return what was asked for."""
        return [event.asks for event in self.told if event.asks]

    def log(self, *lines: str) -> None:
        """Write lines into the gateway's log."""
        path = self.root / ".diptych" / "served" / "gateway.log"
        with path.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """A workspace in which a model has been served for three days."""
    (tmp_path / ".diptych" / "served").mkdir(parents=True)
    found = Served(tmp_path)
    found.deploy()
    return found
