"""`diptych mcp`: what a workspace knows, for programs that speak the Model Context Protocol, over standard input and output.

It answers questions, and does nothing: no tool trains, promotes, deploys or removes. Whatever changes the world is for a person at a shell
or on a page.
"""

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from components.contracts.errors import CapabilityError, ConfigError

if TYPE_CHECKING:
    from mcp.server import MCPServer

P = ParamSpec("P")
R = TypeVar("R")
SAYS = (
    "A workspace of Diptych: from pictures and captions to a served image-text model. These tools only look. To change anything, tell the person "
    "which command of diptych to run."
)


def serve(root: Path) -> None:
    """Answer until standard input ends. CapabilityError where the package is not installed."""
    server_of(root).run("stdio")


def server_of(root: Path) -> "MCPServer":
    """Return a server with the tools status, recipes, recipe, report and lineage; CapabilityError where the package is not installed."""
    try:
        from mcp.server import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp_types import ToolAnnotations
    except ImportError as err:
        raise CapabilityError(
            "the package mcp is not installed, which speaks the protocol. Install it: .venv/bin/python -m pip install -e '.[mcp]'"
        ) from err
    from flows.faults import told

    server = MCPServer("diptych", instructions=SAYS, log_level="ERROR")
    only_looks = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )

    def answers(tool: Callable[P, R]) -> Callable[P, R]:
        """Offer a tool: what it prints goes to standard error, as standard output is the protocol's, and a fault is a sentence."""

        @wraps(tool)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with redirect_stdout(sys.stderr):
                    return tool(*args, **kwargs)
            except Exception as err:
                raise ToolError(told(err, root)) from err

        return server.tool(annotations=only_looks)(asked)

    @answers
    def status(recipe: str = "") -> dict[str, Any]:
        """Say how data, stages, registry, server and the machine's servers stand. recipe: one of params.yaml's; its first unless given."""
        from flows.stack.standing import standing
        from flows.status import status as stands

        return stands(root, recipe or _first(root)) | standing(root)

    @answers
    def recipes() -> list[dict[str, Any]]:
        """List the recipes, one a published method: paper, claim, and what was measured or proven of it."""
        from flows.recipes import recipes as listed

        return listed(root)

    @answers
    def recipe(name: str, scale: str = "") -> str:
        """Return a recipe as YAML, as it would be run at a scale; at that of params.yaml unless given."""
        from flows.recipes import resolved

        return resolved(root, name, scale or None)

    @answers
    def report(version: str) -> dict[str, Any]:
        """Return what was measured of a version such as clip@3 or clip@champion: metric -> value, interval, chance, baseline, queries."""
        from components.registry.store import open_store, store_uri
        from flows.report import SHOWN, measured

        uri = store_uri(root)
        if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
            raise ConfigError("nothing is registered in this workspace yet. The first run does it: make run")
        found = measured(version, root, open_store(root))
        metrics = {name: {key: its[key] for key in SHOWN if key in its} for name, its in found.metrics.items()}
        return {"version": found.label, "metrics": metrics, "licences": dict(found.licences)}

    @answers
    def lineage(what: str) -> dict[str, Any]:
        """Say where a thing comes from and where it went. what: champion, a version, a run, a digest, a commit, `endpoint`, or a picture's key."""
        from flows.lineage.asked import lineage as traced

        found: dict[str, Any] = json.loads(traced(root, what, as_json=True))
        return found

    return server


def _first(root: Path) -> str:
    from components.recipes.params import load_params

    return next(iter(load_params(root).recipes))
