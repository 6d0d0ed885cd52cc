"""One shard of ten records behind each thing that goes wrong on the way: what docs/elsewhere.md tells of."""

from pathlib import Path

from tests.shard_faults import make
from tests.web_server import Web

CASES = {
    "nothing": "/shard.tar",
    "the shard is not there (404)": "/missing.tar",
    "it may not be read (403)": "/status/403/x.tar",
    "the server is busy once (503)": "/once/503/shard.tar",
    "the body ends half-way, twice": "/half_twice/shard.tar",
    "the body ends half-way, each time": "/half/shard.tar",
    "the body is half sent, then nothing more": "/stuck/shard.tar",
    "a page is sent in its place": "/page.tar",
    "it leads to another name of this machine": "/to/http/localhost:{port}/shard.tar",
}


def web_with_shard(folder: Path) -> Web:
    """Return a server, not started yet, that has the sound shard of tests/shard_faults.py."""
    shard = make(folder, folder / "ran")["nothing"]
    return Web({"/shard.tar": shard.read_bytes(), "/page.tar": b"<html>404</html>" * 100})


def urls(web: Web) -> dict[str, str]:
    """Return what is wrong -> URL."""
    return {what: web.url(path.format(port=web.port)) for what, path in CASES.items()}
