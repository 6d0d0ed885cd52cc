"""Clients that ask a gateway all the time, and count who answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from flows.serving.gateway import ensure_gateway

FAILED = "failed"


@contextmanager
def asked_all_the_time(root: Path, clients: int = 8, query: str = "a red square") -> Iterator[dict[str, int]]:
    """Search from many sides while the block runs; yield how often which version answered, `failed` among them."""
    url, counts, ended, lock = ensure_gateway(root).url, {FAILED: 0}, threading.Event(), threading.Lock()

    def client() -> None:
        with httpx.Client(timeout=30) as http:
            while not ended.is_set():
                try:
                    answer = http.post(f"{url}v1/search", json={"query": query, "top_k": 1})
                    name = answer.json()["model"] if answer.status_code == 200 else FAILED
                except httpx.HTTPError:
                    name = FAILED
                with lock:
                    counts[name] = counts.get(name, 0) + 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def answering(root: Path, query: str = "a red square") -> str:
    """Return which version answers a question that any may answer."""
    answer = httpx.post(f"{ensure_gateway(root).url}v1/embeddings", json={"input": [query]}, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["model"])
