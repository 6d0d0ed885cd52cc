"""One look at what a workspace serves, by the numbers of its params.yaml: who is asked for embeddings and counts."""

import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

import numpy as np

from components.monitoring.budgets import Counts
from components.monitoring.look import Tell, World, look
from components.monitoring.reference import Embed
from components.monitoring.seen import Seen
from components.recipes.params import load_params
from components.serving.endpoint import Endpoint
from components.serving.record import read_gateway
from flows.pages import Pages

COUNTS_S = 10.0  # that a loaded gateway may take for its counts


def monitored(root: Path, since_h: float | None = None, tell: Tell | None = None) -> Seen:
    """Return what was seen; its page is .diptych/monitor/report.html.

    Args:
        root: of the workspace.
        since_h: hours of requests to look at; those of params.yaml unless given.
        tell: who acts on events; None where nobody does.

    Raises ConfigError for hours that are none, and as of `components.monitoring.look.look`.
    """
    params = load_params(root)
    numbers = params.monitor if since_h is None else replace(params.monitor, window_h=since_h)
    return look(
        root,
        numbers,
        params.seed,
        World(embed=embedder, counts=lambda: counts(root), counts_of=lambda label: counts(root, label), tell=tell),
    )


def has_server(root: Path) -> bool:
    """Return whether there is a Prefect server that outlives us: the user's own, or that of `diptych ui`."""
    return "PREFECT_API_URL" in os.environ or Pages.read(root) is not None


def embedder(endpoint: Endpoint) -> Embed:
    """Return the text encoder of what is served; it raises a DiptychError where the server does not answer."""

    def embed(texts: Sequence[str]) -> np.ndarray:
        from components.serving.triton_client import MAX_BATCH, TritonClient

        with TritonClient(endpoint.http) as client:
            parts = [client.embed_text(texts[at : at + MAX_BATCH]) for at in range(0, len(texts), MAX_BATCH)]
        return np.concatenate(parts)

    return embed


def counts(root: Path, label: str = "") -> Counts | None:
    """Return what the gateway of a workspace counted, of one version where a label is given; None where none answers."""
    gateway = read_gateway(root)
    if gateway is None:
        return None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{gateway.url}metrics", timeout=COUNTS_S) as answer:
            said = answer.read().decode()
            return Counts.of_version(said, label) if label else Counts.read(said)
    except (urllib.error.URLError, OSError, HTTPException):
        return None
