"""`diptych mcp` as a program uses it: the package's own client over standard input and output."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from components.registry.store import open_store
from components.stages.outcome import StageOutcome
from flows.mcp_server import server_of
from tests.empty_store import lay_empty_store
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, rules
from tests.workspace import environment

COPIES = tuple(f".diptych/{name}/" for name in ("dvc", "lineage", "versions", "evaluations"))
"""What is there for speed, and of something else: DVC's caches, what lineage has read, files of the registry that are held against their digests."""
TOOLS = {"status", "recipes", "recipe", "report", "lineage"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a champion and a challenger; nothing is served."""
    root = make_place(tmp_path_factory.mktemp("asked"))
    rules(root, canary=[])
    (root / "data").mkdir()
    (root / "data/untrained.txt").touch()
    (root / "dvc.yaml").write_text((REPOSITORY / "dvc.yaml").read_text())
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True, env=environment())
    lay_empty_store(root)
    store = open_store(root)
    ask(store, make_version(root, store, seed=1, right=30))
    StageOutcome(
        stage="pretrain",
        recipe="clip",
        state="running",
        pid=2**22 + 1,
        started_ticks=1,
        run="r",
        at="2026-01-01T00:00:00+00:00",
    ).write(root)  # of a run that was killed, which the next run that works here has to tell of
    return root


@asynccontextmanager
async def client(root: Path):
    variables = environment(PYTHONPATH=os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "flows.cli", "mcp"], cwd=str(root), env=variables
    )
    async with Client(started, read_timeout_seconds=120) as opened:
        yield opened


def said(result) -> object:
    assert not result.is_error, result.content
    content = result.structured_content
    return content.get("result", content)


def digests(root: Path) -> dict[str, str]:
    """Of all but copies, what git and DVC keep of having looked, and what SQLite keeps beside a file that is open."""
    skipped = (*COPIES, ".dvc/tmp", ".git/")
    files = [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not str(path.relative_to(root)).startswith(skipped)
    }


def test_a_program_learns_how_the_workspace_stands_and_changes_nothing(root):
    before = digests(root)
    assert ".diptych/outcome/pretrain@clip.json" in before

    async def asked() -> dict[str, object]:
        async with client(root) as opened:
            tools = (await opened.list_tools()).tools
            assert {tool.name for tool in tools} == TOOLS
            assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
            calls = {
                "status": {}, "recipes": {}, "recipe": {"name": "clip"}, "report": {"version": "tiny@champion"}, "lineage": {"what": "champion"},
            }  # fmt: skip
            return {name: await opened.call_tool(name, arguments) for name, arguments in calls.items()}

    found = asyncio.run(asked())
    assert said(found["status"])["serving"]["state"] == "nothing"
    assert "clip" in [row["name"] for row in said(found["recipes"])]
    assert said(found["report"])["metrics"]["retrieval.pair.mean_recall"]["value"] == pytest.approx(0.5)
    assert "tiny@1" in json.dumps(said(found["lineage"]))
    assert "scale:" in said(found["recipe"])
    assert digests(root) == before


def test_what_is_not_there_is_said_in_a_sentence(root):
    async def asked():
        async with client(root) as opened:
            return await opened.call_tool("report", {"version": "tiny@9"}), await opened.call_tool("promote", {})

    missing, unknown = asyncio.run(asked())
    assert missing.is_error
    assert "It has tiny@1" in missing.content[0].text
    assert unknown.is_error


def test_an_empty_workspace_stays_empty(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    async def asked():
        async with Client(server_of(tmp_path)) as opened:
            return await opened.call_tool("report", {"version": "clip@1"})

    answer = asyncio.run(asked())
    assert answer.is_error
    assert "make run" in answer.content[0].text
    assert list(tmp_path.iterdir()) == []
