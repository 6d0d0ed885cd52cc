"""S3 is away for a minute, then slow, then busy, or takes our key for expired, while data and models go to it and come back: `make drill DRILL=s3_away`.

A real S3 server stands behind a proxy that does these things, and a real server of MLflow keeps its files there. Each work either ends by
itself, or says in one sentence what is the matter, and the same asked again ends it; what arrived is held against what was sent by its
bytes. Prints one JSON object as its last line; --keep writes it to docs/benchmarks/s3-away.json, of which docs/faults.md shows `page`.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.contracts.errors import DiptychError
from components.data.remote.fetcher import Fetcher
from components.data.remote.unfetched import Unfetched
from components.registry.champion import files_of
from components.registry.store import open_store
from tests.drills.kept import about, conclude
from tests.drills.stack import until
from tests.flows.rolled import REPOSITORY, make_place, make_version
from tests.flows.test_data_remote import files, forget
from tests.flows.versioned import names, workspace
from tests.mlflow_server import mlflow_server
from tests.seaweed import Fault, Proxy, asked_as_reader, client_of, faulty_proxy, s3_on_loopback

KEPT_AT = REPOSITORY / "docs/benchmarks/s3-away.json"
FAULTS: dict[str, Callable[[], Fault]] = {
    "away": lambda: Fault(method="", away=True),
    "slow": lambda: Fault(method="", slow_s=2.0),
    "busy": lambda: Fault(method="", status=503, code="SlowDown"),
    "expired": lambda: Fault(method="", status=400, code="ExpiredToken"),  # until somebody has a new key
}


@dataclass(kw_only=True)
class Drill:
    """Where it happens.

    Args:
        folder: for all that is made.
        server: address of the S3 server.
        proxy: before it.
        seconds: that a fault lasts.
    """

    folder: Path
    server: str
    proxy: Proxy
    seconds: float
    made: int = 0

    @contextmanager
    def fault(self, name: str, seconds: float | None = None) -> Iterator[Fault]:
        """Have the fault from now on, for so long, or until the work is done."""
        self.proxy.fault = fault = FAULTS[name]()
        timer = threading.Timer(self.seconds if seconds is None else seconds, self.mend)
        timer.start()
        try:
            yield fault
        finally:
            timer.cancel()
            self.mend()

    def mend(self) -> None:
        """End the fault."""
        self.proxy.fault = None

    def ended(self, name: str, work: Callable[[], str]) -> dict[str, Any]:
        """Do a work while the fault lasts, and where it says that it cannot, once more when that is over. AssertionError where it asked nothing meanwhile."""
        began = time.monotonic()
        with self.fault(name) as fault:
            said = work()
            seconds, met = round(time.monotonic() - began, 1), Fault().turns - fault.turns
            assert met, f"no request met the fault {name}"
            if not said:
                return {"ended": "by itself", "seconds": seconds, "requests_met": met}
            until(lambda: self.proxy.fault is None, lambda: "the fault lasts")
        again = work()
        assert not again, f"a second try, with nothing wrong any more, said: {again}"
        return {"ended": "asked again", "seconds": seconds, "requests_met": met, "said": said}

    def place(self) -> Path:
        """Return a new folder."""
        self.made += 1
        return Path(tempfile.mkdtemp(dir=self.folder, prefix=f"{self.made}-"))


def moved(way: str, root: Path) -> str:
    """Run `diptych data push` or `pull`; return what it said where it failed."""
    ran = subprocess.run(
        [sys.executable, "-m", "flows.cli", "data", way], cwd=root, capture_output=True, text=True, check=False
    )
    said = ran.stderr.strip()
    assert bool(ran.returncode) == bool(said), ran.stdout + said
    assert len(said.splitlines()) <= 1, said
    return said if ran.returncode else ""


def pushed_and_pulled(drill: Drill, fault: str) -> dict[str, Any]:
    """Push a workspace's data into a bucket, and pull it again where there is none."""
    root, bucket = workspace(drill.place() / "work", names(30), 20_000), f"data-{drill.made}"
    client_of(drill.server).create_bucket(Bucket=bucket)
    config = root / ".dvc/config"
    config.write_text(
        f"{config.read_text()}    remote = there\n['remote \"there\"']\n    url = s3://{bucket}/dvc\n    endpointurl = {drill.proxy.address}\n"
    )
    whole = files(root)
    push = drill.ended(fault, lambda: moved("push", root))
    forget(root)
    pull = drill.ended(fault, lambda: moved("pull", root))
    assert files(root) == whole, "what came back is not what was sent"
    return {"push": push, "pull": pull}


def registered_and_fetched(drill: Drill, fault: str) -> dict[str, Any]:
    """Register a model whose files MLflow keeps in S3, and fetch them again from another workspace."""
    root, other = make_place(drill.place()), make_place(drill.place())
    store = open_store(root)
    versions: list[Any] = []

    def register() -> str:
        with caught() as said:
            versions[:] = [make_version(root, store, seed=drill.made, right=20)]
        return said[0]

    def fetch() -> str:
        with caught() as said:
            files_of(versions[0], other, store)  # which holds each file against its sha256
        return said[0]

    upload = drill.ended(fault, register)
    return {"upload": upload, "download": drill.ended(fault, fetch)}


def shards_read(drill: Drill, fault: str) -> dict[str, Any]:
    """Fetch shards as ingest does."""
    client, bucket = client_of(drill.server), f"shards-{drill.made}"
    client.create_bucket(Bucket=bucket)
    wanted = {f"{number}.tar": os.urandom(200_000) for number in range(8)}
    for key, body in wanted.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)
    fetcher = Fetcher(folder=drill.place())

    def read() -> str:
        for key in wanted:
            try:
                fetcher.fetch(f"s3://{bucket}/{key}", key, 10**6)
            except Unfetched as err:
                return str(err) if err.transient else f"for good: {err}"
            except DiptychError as err:
                return str(err)
        return ""

    ended = drill.ended(fault, read)
    for key, body in wanted.items():
        assert fetcher.store.path_of(key).read_bytes() == body
    return {"shards": ended}


@contextmanager
def caught() -> Iterator[list[str]]:
    """Keep the sentence of what failed."""
    said = [""]
    try:
        yield said
    except DiptychError as err:
        said[0] = str(err)


def page(said: dict[str, Any]) -> str:
    """Return what docs/faults.md says of it, a row a work."""
    works = {work: None for one in said["detail"].values() for work in one}
    rows = [[f"`{work}`", *(cell(one[work]) for one in said["detail"].values())] for work in works]
    lines = [["", *said["detail"]], ["---"] * (1 + len(said["detail"])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(one: dict[str, Any]) -> str:
    """Return how a work ended, in few words."""
    how = "ended by itself" if one["ended"] == "by itself" else "said so; asked again, it ended"
    return f"{how} ({one['seconds']:.0f} s)"


WORKS = (shards_read, pushed_and_pulled, registered_and_fetched)


def main() -> None:
    """Drill, print; the exit code is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="that a fault lasts (60)")
    parser.add_argument(
        "--works", nargs="*", default=[one.__name__ for one in WORKS], choices=[one.__name__ for one in WORKS]
    )
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT_AT.relative_to(REPOSITORY)}")
    asked = parser.parse_args()
    if asked.keep and (len(asked.works), len(asked.faults)) != (len(WORKS), len(FAULTS)):
        parser.error("--keep is of all, or the page would tell of some as of all. Leave --works and --faults out.")
    whence, began, passed, detail = about("s3_away"), time.monotonic(), True, dict[str, Any]()
    with (
        tempfile.TemporaryDirectory() as folder, s3_on_loopback() as server, faulty_proxy(server) as proxy,
        contextlib.ExitStack() as stack,
    ):  # fmt: skip
        (Path(folder) / "none").touch()  # DVC wants a file where this is set
        os.environ |= asked_as_reader(proxy.address) | {
            "AWS_CONFIG_FILE": str(Path(folder) / "none"), "PYTHONPATH": str(REPOSITORY),
        }  # fmt: skip
        client_of(server).create_bucket(Bucket="mlflow")
        (Path(folder) / "mlflow").mkdir()
        mlflow = stack.enter_context(
            mlflow_server(Path(folder) / "mlflow", "s3://mlflow/artifacts", {"MLFLOW_S3_ENDPOINT_URL": proxy.address})
        )
        os.environ["MLFLOW_TRACKING_URI"] = mlflow.url
        drill = Drill(folder=Path(folder), server=server, proxy=proxy, seconds=asked.seconds)
        try:
            for fault in asked.faults:
                detail[fault] = {}
                for work in (one for one in WORKS if one.__name__ in asked.works):
                    detail[fault] |= work(drill, fault)
                    print(json.dumps({fault: detail[fault]}), flush=True)
        except Exception as err:  # whatever it is, what was found before it is told
            traceback.print_exc()
            passed, detail["fault"] = False, f"{type(err).__name__}: {err}"
        finally:
            drill.mend()
    shutil.rmtree(folder, ignore_errors=True)
    said = {
        "drill": "s3_away",
        "passed": passed,
        "lost": 0 if passed else None,
        "seconds": round(time.monotonic() - began),
        "detail": detail,
    }
    conclude(said, whence, KEPT_AT if asked.keep else None)


if __name__ == "__main__":
    main()
