"""Which servers there are, in the order in which they start."""

from collections.abc import Collection

from components.contracts.errors import ConfigError
from flows.stack.around import hooks, worker
from flows.stack.objects import objects
from flows.stack.pages import mlflow, prefect
from flows.stack.place import Place
from flows.stack.postgres import postgres
from flows.stack.prefect_set_up import pools
from flows.stack.service import Service

OPTIONAL = ("workers", "hooks", "triton")
"""What can be left out; the gateway and Triton have a keeper of their own, which the supervisor starts again (gateway_kept.py)."""


def check_left_out(without: Collection[str]) -> None:
    """Raise ConfigError for what cannot be left out."""
    if unknown := sorted({*without} - {*OPTIONAL}):
        raise ConfigError(f"--without {unknown[0]}: only {', '.join(OPTIONAL)} can be left out")


def services(place: Place, without: Collection[str] = ()) -> tuple[Service, ...]:
    """Return the servers. ConfigError for what cannot be left out, CapabilityError where one is not installed."""
    check_left_out(without)
    found = [postgres(place), objects(place), prefect(place), mlflow(place)]
    if "workers" not in without:
        found += [worker(place, pool) for pool in pools()]
    if "hooks" not in without and (place.root / "prefect.yaml").exists():
        found.append(hooks(place))
    return tuple(found)
