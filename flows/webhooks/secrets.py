"""The secrets that MLflow signs its webhooks with: `.diptych/keys/mlflow-webhook`, for its owner alone, a secret a line.

The first is the one that MLflow is given. One before it goes on being believed, since MLflow may use it for a minute more.
"""

import os
import secrets
from pathlib import Path

from components.contracts.errors import StaleArtifact
from components.stages.lock import hold
from components.stages.place import private

LEAST = 32  # characters; a new one has 43, which are 256 random bits


def webhook_secrets(root: Path) -> tuple[str, ...]:
    """Return the secrets of a workspace that are good, the one in use first; made at first need.

    StaleArtifact where the file holds none that is one, since nobody may be believed then.
    """
    path = secrets_file(root)
    if not path.exists():
        with hold(path.with_name("mlflow-webhook.lock"), "the webhook's secret", wait_s=10):
            if not path.exists():
                _write(path, [secrets.token_urlsafe(32)])
    found = tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    if not found or min(map(len, found)) < LEAST:
        raise StaleArtifact(
            f"{path} holds no secret of {LEAST} characters or more a line, so no webhook is believed. "
            "Take it away; a new one is made and given to MLflow by: diptych hooks"
        )
    return found


def rotate_secret(root: Path) -> str:
    """Return a new secret, the first from now on; the one before goes on being believed, older ones do not."""
    path = secrets_file(root)
    now = webhook_secrets(root)
    with hold(path.with_name("mlflow-webhook.lock"), "the webhook's secret", wait_s=10):
        _write(path, [made := secrets.token_urlsafe(32), now[0]])
    return made


def secrets_file(root: Path) -> Path:
    """Return where they are; the folder is made if need be."""
    folder = private(root, "keys")
    folder.chmod(0o700)
    return folder / "mlflow-webhook"


def _write(path: Path, lines: list[str]) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    half.replace(path)
