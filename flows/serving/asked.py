"""How a workspace is served: its gateway, and what stands beside the champion."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from components.contracts.errors import ConfigError, explained
from components.recipes.params import load_params
from components.serving.gateway.settings import Settings
from components.serving.record import gateway_log, settings_file
from components.serving.routes import read_routes
from components.serving.scorer import open_package
from flows.serving.deploy import deploy_beside, end_beside
from flows.serving.gateway import ensure_gateway, is_apart
from flows.serving.reindex import own_indexes

MOST_WORKERS = 64
MOST_DAYS = 36_500


def serve_as(root: Path, here: Path, asked: argparse.Namespace) -> str:
    """Start the gateway as it is asked for, and what is to stand beside the champion; return what there is now.

    Args:
        root: of the workspace.
        here: where paths are said from.
        asked: of the command `diptych serve`; what it leaves out stays as it was.
    """
    if not 0 <= asked.share <= 1 or (asked.share and asked.shadow):
        raise ConfigError("--share is a number from 0 to 1, and a shadow has none: its answers are thrown away")
    if (asked.share or asked.shadow) and not asked.beside:
        raise ConfigError("--share and --shadow are of --beside VERSION")
    if asked.alone:
        end_beside(root)
    if asked.beside:
        package, label = open_package(asked.beside, here, root)
        with own_indexes(root, package.path, label, load_params(root).deploy, _Printed()):
            deploy_beside(package.path, root, label, asked.share, asked.shadow)
    settings = _settings(root, here, asked)
    gateway = ensure_gateway(root, settings, asked.port, anew=asked.in_process is True and is_apart(root))
    if not settings.in_process:
        encoders = []
    elif is_apart(root):
        encoders = ["A worker broke, and another leaves pictures and encoders to Triton since: diptych serve --in-process ends that"]  # fmt: skip
    else:
        encoders = [f"Its workers run encoders themselves where they can; {gateway_log(root)} says of each version whether"]  # fmt: skip
    return "\n".join([f"The page is at {gateway.url}, its API at {gateway.url}openapi.json", *encoders, *_lines(root)])


class _Printed:
    """What is done to indexes, on the terminal."""

    def goes_on(self, root: Path, doing: str) -> None:
        """Print how far it is."""
        print(doing, file=sys.stderr, flush=True)

    def step(self, root: Path, name: str, says: str) -> None:
        """Print what was done."""
        print(f"{name}: {says}", file=sys.stderr, flush=True)


def _settings(root: Path, here: Path, asked: argparse.Namespace) -> Settings:
    path = settings_file(root)
    now = Settings.read(path) if path.exists() else Settings(root=root.resolve())
    workers = now.workers if asked.workers is None else asked.workers
    share = now.log_share if asked.log_share is None else asked.log_share
    if not 1 <= workers <= MOST_WORKERS:
        raise ConfigError(f"--workers is {workers}; give 1 to {MOST_WORKERS}, about one for each core that answers")
    days = now.log_days if asked.log_days is None else asked.log_days
    size_mb = now.log_mb if asked.log_mb is None else asked.log_mb
    if not (0 < days <= MOST_DAYS and size_mb > 0):
        raise ConfigError(
            f"--log-days is {days:g} and --log-mb {size_mb:g}, but what is kept has to be let go some time, and not at once. Give numbers above 0, and at most {MOST_DAYS:,} days."
        )
    if not 0 <= share <= 1:
        raise ConfigError(f"--log-share is {share:g}, but a share is from 0 to 1")
    return replace(
        now, workers=workers, in_process=now.in_process if asked.in_process is None else asked.in_process, log_share=share, log_days=days, log_mb=size_mb, hosts=tuple(asked.hosts or now.hosts),
        traces=now.traces if asked.traces is None else _traces(here, asked.traces),
    )  # fmt: skip


def _traces(here: Path, asked: str) -> Path | None:
    """Return the file that spans are written to, None of none; ConfigError where it cannot be written to, since no gateway would start then."""
    if not asked:
        return None
    path = (here / asked).resolve()
    try:
        with path.open("a"):
            return path
    except OSError as err:
        raise ConfigError(
            f"--traces {path} cannot be written to ({explained(err)}). Name a file in a folder that is there, or '' for none."
        ) from err


def _lines(root: Path) -> list[str]:
    routes = read_routes(root)
    if routes.main is None:
        return ["No model is served yet: make run ends with one, and the page shows it then."]
    how = {True: "as a shadow", False: "with a share of {share:.0%}"}
    beside = [
        f"{one.endpoint.label} stands beside it {how[one.shadow].format(share=one.share)}" for one in routes.beside
    ]
    return [f"{routes.main.label} is the champion that is served", *beside]
