"""A gateway of its own on real HTTP, in front of the real server that all tests of serving share, which makes the vectors (test_in_process.py has workers make them)."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from components.serving.endpoint import Endpoint
from components.serving.gateway.app import create
from components.serving.gateway.settings import Settings

Start = Callable[..., httpx.Client]


def by_server(root: Path) -> Settings:
    """Return the settings of a gateway that asks the server of a workspace for each vector, from its first answer to its last."""
    return Settings(root=root, in_process=False)


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """Serve a gateway on a free port; yields its address."""
    server = uvicorn.Server(
        uvicorn.Config(create(settings), host="127.0.0.1", port=0, log_level="error", date_header=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            thread.join(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def description(root: Path) -> dict[str, Any]:
    """Return what a gateway of a workspace says of its API, in front of no server."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create(Settings(root=root)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/openapi.json")

    return dict(asyncio.run(ask()).json())


@pytest.fixture
def start(endpoint: Endpoint, workspace: Path) -> Iterator[Start]:
    """Start gateways with other settings; each is a client of it, and ends with the test."""
    with ExitStack() as stack:

        def start(root: Path = workspace, **settings: object) -> httpx.Client:
            address = stack.enter_context(running(replace(by_server(root), **settings)))  # type: ignore[arg-type]
            return stack.enter_context(httpx.Client(base_url=address, timeout=30))

        yield start


@pytest.fixture(scope="session")
def shared(endpoint: Endpoint, workspace: Path) -> Iterator[str]:
    """The address of a gateway with the usual settings otherwise; do not harm it."""
    with running(by_server(workspace)) as address:
        yield address


@pytest.fixture
def http(shared: str) -> Iterator[httpx.Client]:
    """A client of that gateway."""
    with httpx.Client(base_url=shared, timeout=30) as client:
        yield client
