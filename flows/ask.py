"""Ask the served model for the pictures nearest to a text."""

from pathlib import Path

from components.contracts.errors import TransientError
from components.serving.client import Client, Hit
from components.serving.endpoint import Endpoint, read_endpoint
from components.serving.errors import NotServed


def ask(root: Path, text: str, top_k: int = 5) -> list[Hit]:
    """Return the nearest pictures, best first, from the server of the workspace `root`.

    Raises NotServed when there is none, RequestRefused when it will not take the text or `top_k`.
    """
    endpoint = _endpoint(root)
    while True:
        try:
            with Client(endpoint.http) as client:
                return client.search(text, top_k)
        except TransientError as err:
            now = _endpoint(root)
            if now.process == endpoint.process:
                raise NotServed(
                    f"The server of {root.resolve()} (process {endpoint.process.pid}) does not answer: {err} "
                    "Run `make run` to serve the model again; nothing is trained for it."
                ) from err
            endpoint = now  # another model was deployed while we asked


def _endpoint(root: Path) -> Endpoint:
    endpoint = read_endpoint(root)
    if endpoint is None:
        raise NotServed(f"No model is served from {root.resolve()}. Run `make run`, which ends with one.")
    return endpoint
