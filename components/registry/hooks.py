"""What MLflow sends when somebody sets an alias, and whether it is to be believed.

Source: mlflow/webhooks/delivery.py of MLflow 3.17. The signature is `v1,` and the base64 of the HMAC-SHA256 of
"{delivery id}.{time in s}.{body}". MLflow tries a delivery again with the same id, time and signature, after 429 and 5xx
alone, three times by default. Deliveries overtake each other, so none of them says which version is the champion now.
"""

import base64
import hashlib
import hmac
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.contracts.errors import DiptychError

EVENT: Literal["model_version_alias.created"] = "model_version_alias.created"
SIGNATURE, DELIVERY, TIMESTAMP = "x-mlflow-signature", "x-mlflow-delivery-id", "x-mlflow-timestamp"
MOST_BYTES = 64 * 1024
MAX_AGE_S = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

Fault = Literal["forged", "stale", "replayed", "unreadable"]


class Refused(DiptychError):
    """A delivery that is not acted on.

    Args:
        fault: what is wrong with it.
    """

    def __init__(self, fault: Fault, said: str) -> None:
        super().__init__(said)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What somebody who knows a secret has sent.

    Args:
        id: MLflow's, another for each event, the same when it is tried again.
        sent_at_s: seconds since 1970, by the sender's clock.
        body: as it came.
    """

    id: str
    sent_at_s: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSet:
    """An alias of a registered model was set.

    Args:
        model: name of the registered model.
        alias: such as champion.
        version: that got it then; another may have it by now.
        delivery: its id.
    """

    model: str
    alias: str
    version: str
    delivery: str


def verified(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now_s: float) -> Delivery:
    """Return a delivery whose signature is of one of the secrets and whose age is at most 5 minutes, either way.

    Args:
        headers: of the request, by names in small letters.
        secrets: which are good now; several while they are being changed.
        now_s: seconds since 1970.

    Raises Refused: forged, or stale.
    """
    name, sent, signature = (headers.get(header, "") for header in (DELIVERY, TIMESTAMP, SIGNATURE))
    told = [_signature(secret, name, sent, body) for secret in secrets]
    # Every secret is compared, so that the time says nothing of which one it was.
    if not any([hmac.compare_digest(signature.encode(), one.encode()) for one in told]):
        raise Refused(
            "forged",
            "the signature is of none of this receiver's secrets, so nothing was done. "
            "Give the webhook the secret again: diptych hooks",
        )
    if not (name and sent.isascii() and sent.isdecimal()):
        raise Refused("unreadable", "the delivery has no id, or no time in whole seconds. MLflow sends both.")
    if abs(now_s - int(sent)) > MAX_AGE_S:
        raise Refused(
            "stale",
            f"the delivery was sent {abs(now_s - int(sent)):.0f} s {'ago' if now_s > int(sent) else 'from now'}; {MAX_AGE_S} are "
            "believed. Set the clocks of both machines, then set the alias again.",
        )
    return Delivery(id=name, sent_at_s=int(sent), body=body)


def alias_set(delivery: Delivery) -> AliasSet | None:
    """Return what a delivery says of an alias; None where it is of anything else. Raises Refused for what cannot be read."""
    try:
        said = json.loads(delivery.body)
        event = f"{said['entity']}.{said['action']}"
        if event != EVENT:
            return None
        model, alias, version = (str(said["data"][key]) for key in ("name", "alias", "version"))
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise Refused("unreadable", f"the body is not what MLflow sends ({type(err).__name__}: {err}).") from err
    if not _NAME.fullmatch(model):
        return None  # no model of ours is called so
    return AliasSet(model=model, alias=alias, version=version, delivery=delivery.id)


class Deliveries:
    """Which deliveries were acted on, kept on file for as long as they would be believed.

    Args:
        path: of a SQLite file, made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as file, file:
            file.execute("create table if not exists deliveries (id text primary key, until_s integer not null)")

    def has(self, delivery: Delivery) -> bool:
        """Return whether it was acted on."""
        with closing(self._open()) as file:
            found = file.execute("select 1 from deliveries where id = ?", (delivery.id,)).fetchone()
        return found is not None

    def add(self, delivery: Delivery, now_s: float) -> None:
        """Keep it, and forget those that are too old to be believed again."""
        with closing(self._open()) as file, file:
            file.execute("delete from deliveries where until_s < ?", (int(now_s),))
            until_s = delivery.sent_at_s + MAX_AGE_S
            file.execute("insert or ignore into deliveries values (?, ?)", (delivery.id, until_s))

    def __len__(self) -> int:
        with closing(self._open()) as file:
            return int(file.execute("select count(*) from deliveries").fetchone()[0])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)


def _signature(secret: str, delivery: str, sent: str, body: bytes) -> str:
    signed = f"{delivery}.{sent}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
