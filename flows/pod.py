"""Serving where each copy is a pod of its own: Triton of an image beside a gateway, both on what an init container laid out for them.

    python -m flows.pod lay clip --host models.example.org --keys /run/secrets/keys.json    # the champion, vetted, signed and whole
    python -m flows.pod answer --port 8800                                                  # once Triton answers as the package does

A pod serves the version that it began with; another champion comes with other pods, of which each has to prove itself before it gets requests.
On one machine the same is done by flows.serving.rollout, which starts Triton itself.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from components.contracts.errors import ConfigError, DiptychError, TransientError
from components.recipes.params import load_params
from components.registry.champion import files_of
from components.registry.signatures import check_signature
from components.registry.store import open_store
from components.serving.command import HOST
from components.serving.endpoint import Endpoint, read_endpoint, served_folder, write_endpoint
from components.serving.gateway.keys import keys_file, read_keys
from components.serving.gateway.settings import DRAIN_S, VARIABLE, Settings
from components.serving.health import probe
from components.serving.held import held_queries
from components.serving.package import Package
from components.serving.parity import check_parity
from components.serving.process import ProcessId
from components.serving.record import settings_file
from components.serving.repository import write_repository
from components.serving.search.searcher import prepare
from components.serving.triton_client import TritonClient
from components.stages.place import private
from flows.promote import to_serve
from flows.run import find_root

INSTANCE = "pod"
READY_S = 600.0  # of a GPU that compiles its graphs first
ASK_EVERY_S = 1.0
HTTP, GRPC, METRICS = 8000, 8001, 8002  # Triton's own; loopback of the pod, but for the last


def lay(
    root: Path, model: str, hosts: Sequence[str] = (), keys: Path | None = None, say: Callable[[str], None] = print
) -> str:
    """Lay out the champion of a registered model for Triton and the gateway of this pod; return its label.

    Nothing is written into the registry, which a pod may only read: where the alias was set by hand to a version that may not be served, the one that had it
    by right before is laid out.

    Args:
        hosts: names that the gateway may be called by.
        keys: a file of who may ask, as `diptych keys` writes it.
        say: is told which version is served, and why that one.

    Raises GateClosed where no version may be served, Untrusted for one that nobody trusted signed, ConfigError where anybody could ask, StaleArtifact
    for files that are not those that were registered, TransientError where the registry does not answer.
    """
    served = private(root, "served")
    if keys is not None:
        shutil.copyfile(keys, keys_file(root))
        keys_file(root).chmod(0o600)
    if hosts and not read_keys(root):
        raise ConfigError(
            f"the gateway would be called {hosts[0]}, and whoever reaches it could ask. Make keys where you can write, and hand their file over: "
            "diptych keys add NAME, then --keys .diptych/served/keys.json"
        )
    store, rules = open_store(root), load_params(root).deploy
    verdict = to_serve(root, model, store)
    version = verdict.served
    say(verdict.sentence)
    folder = files_of(version, root, store)
    check_signature(store, version.run_id, version.label, folder, root, rules)
    package, home = Package.verify(folder), served / INSTANCE
    shutil.rmtree(home, ignore_errors=True)  # of a container that was restarted
    home.mkdir(mode=0o700)
    write_repository(package, home / "repository")
    prepare(home / "repository", root)
    settings = Settings(root=root, hosts=tuple(hosts), in_process=False)  # what decodes pictures is Triton's container
    settings.write(settings_file(root))
    write_endpoint(root, Endpoint(
        http=f"{HOST}:{HTTP}", grpc=f"{HOST}:{GRPC}", metrics=f"{HOST}:{METRICS}", package_digest=package.digest, space=package.space,
        label=version.label, process=ProcessId.of(os.getpid()), instance=INSTANCE, repository=home / "repository", log=home / "log.txt",
        key_file=home / "key", shm_prefix=INSTANCE, started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    ))  # fmt: skip
    (served / "package").unlink(missing_ok=True)
    (served / "package").symlink_to(folder)
    return version.label


def proven(root: Path, within_s: float = READY_S) -> Endpoint:
    """Wait until the Triton of this pod answers, and return it once it answers as the package does.

    Raises TransientError where it does not answer in time, ParityFailed and ServerFailed where it answers otherwise.
    """
    endpoint = read_endpoint(root)
    if endpoint is None:
        raise ConfigError("nothing is laid out here. Lay it out first: python -m flows.pod lay MODEL")
    package, deadline = Package.verify((served_folder(root) / "package").resolve()), time.monotonic() + within_s
    while True:
        try:
            with TritonClient(endpoint.http) as client:
                probe(client)
                check_parity(client, package, *held_queries(package, root))
                return endpoint
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(ASK_EVERY_S)


def answer(root: Path, host: str, port: int, triton: str | None = None) -> None:
    """Answer requests until TERM, once Triton has proven itself; those under way are answered then, which may take DRAIN_S.

    Args:
        host: what to listen on, as an address.
        triton: host:port of Triton's HTTP, where that is another than was laid out.
    """
    if triton is not None and (laid := read_endpoint(root)) is not None:
        write_endpoint(root, replace(laid, http=triton))
    print(f"{proven(root).label} answers as it was measured; listening on {host}:{port}", flush=True)
    os.environ[VARIABLE] = str(settings_file(root))
    import uvicorn

    from components.serving.gateway.app import from_environment

    uvicorn.run(
        from_environment(), host=host, port=port, log_level="warning", access_log=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=DRAIN_S, timeout_keep_alive=65,
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    made = argparse.ArgumentParser(prog="python -m flows.pod", description=(__doc__ or "").splitlines()[0])
    verbs = made.add_subparsers(dest="verb", required=True)
    lays = verbs.add_parser("lay", help="lay out the champion of a registered model")
    lays.add_argument("model", help="its name, such as clip")
    lays.add_argument(
        "--host",
        action="append",
        default=[],
        dest="hosts",
        help="a name that the gateway may be called by; several times",
    )
    lays.add_argument("--keys", type=Path, help="a file of who may ask, as `diptych keys` writes it")
    answers = verbs.add_parser("answer", help="answer requests, once Triton answers as the package does")
    answers.add_argument("--listen", default=HOST, help=f"the address to listen on ({HOST}); 0.0.0.0 within a pod")
    answers.add_argument("--port", type=int, default=8800)
    answers.add_argument("--triton", help="host:port of Triton's HTTP, where that is another than was laid out")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and return the exit code."""
    asked = parser().parse_args(arguments)
    try:
        root = find_root(Path.cwd())
        if asked.verb == "lay":
            print(f"{lay(root, asked.model, asked.hosts, asked.keys)} is laid out", flush=True)
        else:
            answer(root, asked.listen, asked.port, asked.triton)
    except DiptychError as err:
        print(f"pod: {err}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
