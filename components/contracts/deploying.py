"""How a champion comes to be served: what a person chooses."""

import math
from dataclasses import dataclass
from typing import Literal

from components.contracts.errors import ConfigError


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Identity:
    """Who may sign without a key: an account that an OpenID Connect issuer vouches for, as Sigstore records it.

    Args:
        identity: such as an e-mail address, or the URL of a workflow.
        issuer: such as https://accounts.google.com.
    """

    identity: str
    issuer: str


@dataclass(frozen=True, kw_only=True)  # no slots: jsonargparse reads the fields of a default by vars()
class Deploying:
    """Section `deploy` of params.yaml.

    Args:
        canary: shares of the requests, 0 to 1, rising, that a new version gets before it gets all; none: all at once.
        step_s: seconds that each of them lasts, and the last as many more where a version may be too slow.
        shadow: whether it is asked beside the one that is served instead, and answers nobody, as long as the steps would take.
        requests: answers that either side must have given before their seconds and scores are compared.
        errors: how much larger its share of failed requests may be.
        times_slower: the most, as a multiple of the other's mean seconds, beyond what chance makes of so many answers.
        drift: the most, 0 to 1, that the scores of best answers may differ: the largest distance of their distributions (Kolmogorov
            and Smirnov's).
        ready_s: seconds that a server may take to load the version.
        latency_ms: the most that one text, or one picture, may take by itself, in the middle of several.
        price_per_hour: what an hour of this machine costs, in USD, to say what embedding indexes anew cost; 0 where nobody asks.
        old_index: what becomes of indexes of one's own where a version's words were shown to find what they should by the vectors of the one
            before: they are `searched` so, or `embedded` anew before the switch, as those of any other version.
        signatures: whether a model must be signed.
        keys: files with public keys, PEM, from the workspace, of whoever may sign; with no identities either: the workspace's own.
        identities: who may sign without a key.
    """

    canary: tuple[float, ...] = (0.05, 0.25)
    step_s: float = 5.0
    shadow: bool = False
    requests: int = 20
    errors: float = 0.01
    times_slower: float = 3.0
    drift: float = 0.6
    ready_s: float = 120.0
    latency_ms: float = 1000.0
    price_per_hour: float = 0.0
    old_index: Literal["searched", "embedded"] = "searched"
    signatures: Literal["required", "not_asked"] = "required"
    keys: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = ()

    def __post_init__(self) -> None:
        shares = list(self.canary)
        if shares != sorted(set(shares)) or any(not 0 < share < 1 for share in shares):
            raise ConfigError(
                f"deploy.canary is {shares}, but it is shares that rise, each above 0 and below 1, such as [0.05, 0.25]; all requests come "
                "after the last."
            )
        for name, least, most in (
            ("step_s", 0.0, 86_400.0), ("requests", 1, math.inf), ("errors", 0.0, 1.0), ("times_slower", 1.0, math.inf),
            ("drift", 0.0, 1.0), ("ready_s", 0.0, 86_400.0), ("latency_ms", 0.0, math.inf), ("price_per_hour", 0.0, 1e6),
        ):  # fmt: skip
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"deploy.{name} is {value}, but it goes from {least:g} to {most:g}.")
