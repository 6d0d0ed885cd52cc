"""The webhook on an MLflow server that tells us of an alias that was set, made by name however often it is asked for."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contracts.address import without_password
from components.contracts.errors import ConfigError
from components.registry.hooks import EVENT
from components.registry.store import store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.webhook import Webhook

_MENDS = (
    "Where the receiver is on the same machine or network, start the MLflow server with MLFLOW_WEBHOOK_ALLOWED_SCHEMES=https,http "
    "and MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true; else give an https address that it reaches: diptych hooks --url"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook on an MLflow server.

    Args:
        id: MLflow's.
        url: that it sends to.
        made: whether it was not there before.
    """

    id: str
    url: str
    made: bool


def webhook_name(root: Path) -> str:
    """Return what the webhook of a workspace is called, so that several can listen to one server."""
    return f"diptych-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"


def ensure_webhook(uri: str, name: str, url: str, secret: str) -> Hook:
    """Have the MLflow server at `uri` tell `url` of each alias that is set, signed with `secret`; return the webhook.

    There is one of that name afterwards; one that somebody disabled is enabled. The server looks up its webhooks
    once a minute. Raises ConfigError for a server that refuses the address or has no webhooks, TransientError for one that
    does not answer.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # left to itself, it tries for four minutes
    from mlflow import MlflowClient
    from mlflow.entities.webhook import WebhookEvent, WebhookEventStr
    from mlflow.exceptions import MlflowException

    if not uri.startswith(("http://", "https://")):
        raise ConfigError(
            f"the MLflow store is {without_password(uri)}, and only a server sends webhooks. Beside a file: diptych watch"
        )
    events: list[WebhookEventStr | WebhookEvent] = [EVENT]
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    with store_errors(uri):
        try:
            found = [one for one in _all(client) if one.name == name]
        except MlflowException as err:
            if "500 error" not in str(err):
                raise
            raise ConfigError(
                f"the MLflow server at {without_password(uri)} cannot read its own webhooks, as when it was started with another "
                "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY than they were made with, or with none. Start it with that key; where it is lost, "
                "delete from webhooks in its database, start it with a key that you keep, and run diptych hooks again."
            ) from err
        for twin in found[1:]:
            client.delete_webhook(twin.webhook_id)
        try:
            if found:
                hook = client.update_webhook(
                    found[0].webhook_id, url=url, events=events, secret=secret, status="ACTIVE"
                )
            else:
                said = "Tells diptych that an alias was set, so that the champion is served."
                hook = client.create_webhook(name, url, events, description=said, secret=secret)
        except MlflowException as err:
            if err.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise ConfigError(
                f"the MLflow server at {without_password(uri)} does not send to {url}: {err.message} {_MENDS}"
            ) from err
    return Hook(id=hook.webhook_id, url=hook.url, made=not found)


def _all(client: "MlflowClient") -> list["Webhook"]:
    found: list[Webhook] = []
    token = None
    while True:
        page = client.list_webhooks(max_results=100, page_token=token)
        found += page
        if not (token := page.token):
            return found
