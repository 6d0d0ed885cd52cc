"""Which of the promises about serving hold, by the numbers that were kept: a table under those numbers in docs/serving.md.

Where the gateway was measured in a burst and over a minute, both have to be ahead: a burst of some hundred requests lasts a fraction of a second,
and what a batch saves in it need not last.
"""

from collections.abc import Iterator
from typing import Any

PEERS = {"fastapi": "plain FastAPI", "mlflow": "MLflow's pyfunc"}
CALLED = {"text": "texts", "image": "pictures"}
GRPC_AT_MOST, GATEWAY_MS, EMBED_AT_LEAST, GROWN_AT_MOST, SLOWER_AT_MOST = 1.1, 1.5, 0.95, 0.05, 2.0
HOLDS, NOT = "holds", "**does not hold**"


def claims(said: dict[str, Any]) -> Iterator[str]:
    """Yield the table, a row a promise; none of what was not measured."""
    yield from ("", "| promised | measured | |", "| --- | --- | --- |")
    for peer, called in PEERS.items():
        yield _row(
            f"ahead of {called} at each number of clients, in CPU-milliseconds and answers a second",
            *_ahead(said, peer),
        )
    adds = said["gateway_adds_cpu_ms"]
    missing = [called for what, called in CALLED.items() if what not in adds]
    yield _row(
        f"the gateway adds at most {GATEWAY_MS} CPU-milliseconds",
        ", ".join(
            [
                *(f"{its:.1f} for {CALLED[what]}" for what, its in adds.items()),
                *(f"*not measured* for {called}" for called in missing),
            ]
        ),
        max(adds.values()) <= GATEWAY_MS,
        whole=not missing,
    )
    if its := said.get("grpc"):
        ratios = {what: its[what]["ratio"] for what in CALLED}
        yield _row(
            "an encoder of Triton's over gRPC takes at most 10% more CPU than onnxruntime",
            ", ".join(f"{ratio:.2f} times for {CALLED[what]}" for what, ratio in ratios.items()),
            max(ratios.values()) <= GRPC_AT_MOST,
        )
    if its := said.get("embed"):
        yield _row(
            f"`diptych embed` is at least {EMBED_AT_LEAST:.0%} as fast as onnxruntime",
            f"{its['ratio']:.0%}",
            its["ratio"] >= EMBED_AT_LEAST,
        )
    if its := said.get("sustained"):
        errors = sum(one["errors"] for what in CALLED for one in its[what].values())
        yield _row(f"{its['seconds']:.0f} s at each number of clients without an error", f"{errors} errors", not errors)
    if its := said.get("overload"):
        ratio = max(its[what]["slower"] for what in CALLED)
        yield _row(
            f"turning away keeps the slowest of a hundred at {its['clients']} clients within twice that at {its['room']}",
            f"{ratio:.1f} times",
            ratio <= SLOWER_AT_MOST,
        )
    if its := said.get("soak"):
        yield _row(
            f"memory stays within 5% over {its['requests']:,} requests",
            f"{its['grown']:+.1%}",
            abs(its["grown"]) <= GROWN_AT_MOST,
        )


def behind(said: dict[str, Any], peer: str, what: str) -> tuple[list[str], list[str]]:
    """Return at which numbers of clients the gateway does not lead a peer: in bursts, and over a minute where the burst does."""
    bursts, minutes = [], []
    for clients, other in said["sides"][peer][what].items():
        if not _leads(said["sides"]["gateway"][what][clients], other):
            bursts.append(clients)
        elif (minute := said.get("sustained", {}).get(what, {}).get(clients)) and not _leads(minute, other):
            minutes.append(clients)
    return bursts, minutes


def _ahead(said: dict[str, Any], peer: str) -> tuple[str, bool]:
    parts = []
    for what, called in CALLED.items():
        bursts, minutes = behind(said, peer, what)
        parts += [f"behind with {called} at {', '.join(bursts)}"] if bursts else []
        parts += (
            [f"ahead with {called} at {', '.join(minutes)} in a burst alone, behind over a minute"] if minutes else []
        )
    return "; ".join(parts) or "ahead at each", not parts


def _leads(ours: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(ours["cpu_ms"] < other["cpu_ms"] and ours["per_s"] > other["per_s"])


def _row(promised: str, measured: str, holds: bool, whole: bool = True) -> str:
    said = NOT if not holds else HOLDS if whole else f"{HOLDS}, as far as it was measured"
    return f"| {promised} | {measured} | {said} |"
