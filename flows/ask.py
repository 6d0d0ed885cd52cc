"""Ask the served model: for the pictures nearest to a text, or for the likeliest labels of a picture."""

import csv
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from components.contracts.errors import DataError, TransientError
from components.serving.endpoint import Endpoint, read_endpoint
from components.serving.errors import NotServed, RequestRefused
from components.serving.triton_client import Classified, Hit, TritonClient

MAX_IMAGE_MB = 32  # of a file; the server looks at the pixels
T = TypeVar("T")


def ask(root: Path, text: str, top_k: int = 5) -> list[Hit]:
    """Return the nearest pictures, best first, from the server of the workspace `root`.

    Raises NotServed when there is none, RequestRefused when it will not take the text or `top_k`.
    """
    return _answered(root, lambda client: client.search(text, top_k))


def classify(
    root: Path,
    image: Path,
    labels: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    top_k: int = 5,
) -> Classified:
    """Return the likeliest labels of the picture in a file, best first; the package's own labels unless given.

    Raises DataError when the file cannot be read, NotServed when there is no server, RequestRefused when it will not
    take the picture, the labels or the templates.
    """
    picture = read_picture(image)
    try:
        return _answered(root, lambda client: client.classify(picture, labels, templates, top_k))
    except RequestRefused as err:
        raise RequestRefused(f"{image}: {err}") from err


def read_picture(path: Path) -> bytes:
    """Return the bytes of an ordinary file of at most 32 MB; DataError, in a sentence, for anything else."""
    try:
        # Not to wait for a writer, should it be a pipe.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as opened:
            about = os.fstat(opened.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise DataError(f"{path} is a device or a pipe, not a picture.")
            if about.st_size > MAX_IMAGE_MB * 1_000_000:
                raise DataError(
                    f"{path} has {about.st_size / 1e6:,.0f} MB; at most {MAX_IMAGE_MB} MB are sent. Give a smaller copy."
                )
            return opened.read(MAX_IMAGE_MB * 1_000_000)
    except (OSError, ValueError) as err:  # ValueError: a zero byte in the name
        why = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
        raise DataError(f"{path} cannot be read: {why}. Give the path of a picture, PNG, JPEG, WebP or GIF.") from err


def split_labels(given: str) -> list[str]:
    """Return the labels of a comma-separated list; one with a comma in it goes in double quotes. DataError if broken."""
    try:
        return [label.strip() for label in next(csv.reader([given], skipinitialspace=True), [])]
    except csv.Error as err:
        raise DataError(
            f"--labels cannot be read ({err}). Give one line with commas between, such as cat,dog."
        ) from err


def _answered(root: Path, question: Callable[[TritonClient], T]) -> T:
    endpoint = _endpoint(root)
    while True:
        try:
            with TritonClient(endpoint.http) as client:
                return question(client)
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
