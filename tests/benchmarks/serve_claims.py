"""Which of the promises about serving hold, by the numbers that were kept: a table before those numbers in docs/serving-measured.md.

Where the gateway was measured in a burst and over a minute on the same machine, both have to be ahead, the minute of a peer's own where there is one: a burst of some hundred requests lasts a fraction of a second,
and what a batch saves in it need not last.
"""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.serve_longer import both

OURS = {"in_process": "the gateway, encoders in its process", "gateway": "the gateway and Triton"}
PEERS = {"fastapi": "plain FastAPI", "mlflow": "MLflow's pyfunc", "infinity": "infinity-emb"}
CALLED = {"text": "texts", "image": "pictures"}
GRPC_AT_MOST, GATEWAY_MS, EMBED_AT_LEAST, GROWN_AT_MOST, SLOWER_AT_MOST = 1.1, 1.5, 0.95, 0.05, 2.0
RECALL_AT_LEAST, SEARCH_MS = 0.98, 10
INT8_TIMES, LOST = 1.5, 0.005
SHARE_AT_MOST = 1.1 / 32  # a 32nd, and what a search of it takes besides
HOLDS, NOT = "holds", "**does not hold**"


def claims(
    said: dict[str, Any], vectors: dict[str, Any] | None = None, variants: dict[str, Any] | None = None
) -> Iterator[str]:
    """Yield the table, a row a promise, those that were not measured among them.

    Args:
        said: what serve.py kept.
        vectors: what vector_search.py kept.
        variants: what variants.py kept.
    """
    yield from ("", "| promised | measured | |", "| --- | --- | --- |")
    ahead = "{}: ahead of {} at each number of clients, in CPU-milliseconds and answers a second"
    larger = said.get("larger", {})
    for ours, ourselves in OURS.items():
        for of, whose in (("", said), (", of the larger model", larger)):
            for peer, called in PEERS.items():
                promised = ahead.format(ourselves + of, called)
                measured = {ours, peer} <= set(whose.get("sides", ()))
                yield _row(promised, *_ahead(whose, peer, ours)) if measured else _not(promised)
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
    promised = "an encoder of Triton's over gRPC takes at most 10% more CPU than onnxruntime"
    for of, whose in (("", said), (", of the larger model, on as many threads", larger)):
        if its := whose.get("grpc"):
            for rows in ("1", *its["text"].get("rows", {})):
                ratios = {what: (its[what] if rows == "1" else its[what]["rows"][rows])["ratio"] for what in CALLED}
                yield _row(
                    f"{promised}{of}{'' if rows == '1' else f', {rows} rows a request'}",
                    ", ".join(f"{ratio:.2f} times for {CALLED[what]}" for what, ratio in ratios.items()),
                    max(ratios.values()) <= GRPC_AT_MOST,
                )
        else:
            yield _not(f"{promised}{of}")
    promised = f"`diptych embed` is at least {EMBED_AT_LEAST:.0%} as fast as onnxruntime"
    if its := said.get("embed"):
        yield _row(promised, f"{its['ratio']:.0%}", its["ratio"] >= EMBED_AT_LEAST)
    else:
        yield _not(promised)
    if its := said.get("sustained"):
        errors = sum(one["errors"] for each, _ in both(its) for what in CALLED for one in each[what].values())
        yield _row(f"{its['seconds']:.0f} s at each number of clients without an error", f"{errors} errors", not errors)
    else:
        yield _not("60 s at each number of clients without an error")
    if its := said.get("overload"):
        ratio = max(each[what]["slower"] for each, _ in both(its) for what in CALLED)
        yield _row(
            f"turning away keeps the slowest of a hundred at {its['clients']} clients within twice that at {its['room']}",
            ", ".join(f"{max(each[what]['slower'] for what in CALLED):.1f} times{how}" for each, how in both(its)),
            ratio <= SLOWER_AT_MOST,
            whole="in_process" in its,
        )
    else:
        yield _not("turning away bounds the slowest of a hundred when more ask than there is room for")
    if its := said.get("soak"):
        yield _row(
            f"memory stays within 5% over {its['requests']:,} requests",
            ", ".join(f"{each['grown']:+.1%}{how}" for each, how in both(its)),
            all(abs(each["grown"]) <= GROWN_AT_MOST for each, _ in both(its)),
            whole="in_process" in its,
        )
    else:
        yield _not("memory stays within 5% over 100,000 requests")
    if "perf" not in said:
        yield _not("Triton as perf_analyzer sees it")
    yield from _indexed(vectors)
    yield from _smaller(variants)


def _indexed(vectors: dict[str, Any] | None) -> Iterator[str]:
    """Yield the rows of large indexes."""
    memory = f"codes of a bit a number keep at least {RECALL_AT_LEAST:.0%} of recall@10 in a 32nd of the memory"
    rows, width = (1_000_000, 512) if vectors is None else (vectors["rows"], vectors["width"])
    soon = f"of {rows:,} vectors of {width} numbers, searched by vector alone, the middle answer takes less than {SEARCH_MS} ms, with recall@10 of at least {RECALL_AT_LEAST}"
    if vectors is None:
        yield from (_not(memory), _not(soon))
        return
    codes, flat = vectors["sides"]["codes"], vectors["sides"]["faiss flat"]
    recall, share = codes["recall_at_10"], codes["memory_mb"] / flat["memory_mb"]
    if codes.get("resident"):
        held = f"{codes['memory_mb']:.0f} of {flat['memory_mb']:,.0f} MB"
        yield _row(memory, f"{recall:.1%}, {held}", recall >= RECALL_AT_LEAST and share <= SHARE_AT_MOST)
    else:
        yield _row(memory, f"{recall:.1%}, *not measured* for memory", recall >= RECALL_AT_LEAST, whole=False)
    p50_ms = max(codes["p50_ms"], vectors["sides"].get("search by vector", codes)["p50_ms"])
    yield _row(soon, f"{p50_ms} ms, {recall:.3f}", p50_ms < SEARCH_MS and recall >= RECALL_AT_LEAST)


def _smaller(variants: dict[str, Any] | None) -> Iterator[str]:
    """Yield the row of int8; that it is not offered keeps the promise where it was slower or found less."""
    promised = "int8 is at least 1.5 times as fast as float32, with recall@10 within half a point, or is not offered"
    if variants is None:
        yield _not(promised)
        return
    its = variants["kinds"]["int8"]
    yield _row(
        promised,
        ", ".join(
            f"{one['times']:.2f} times for {CALLED[side]}, {'offered' if one['offered'] else 'not offered'}"
            for side, one in its.items()
        ),
        all(
            not one["offered"] or (one["times"] >= INT8_TIMES and one["recall_before"] - one["recall_after"] <= LOST)
            for one in its.values()
        ),
        whole=len(its) == len(CALLED),
    )


def behind(said: dict[str, Any], peer: str, what: str, ours: str = "gateway") -> tuple[list[str], list[str]]:
    """Return at which numbers of clients one of ours does not lead a peer: in bursts, and over a minute where the burst does; held against the peer's own minute where it was asked for one, else its burst."""
    bursts: list[str] = []
    minutes: list[str] = []
    sustained = said.get("sustained", {})
    minutes_of = sustained if ours == "gateway" else sustained.get(ours, {})
    lasting = minutes_of.get(what, {}) if sustained.get("machine") == said.get("machine") else {}
    theirs = sustained.get(peer, {}).get(what, {})
    for clients, other in said["sides"][peer][what].items():
        if not _leads(said["sides"][ours][what][clients], other):
            bursts.append(clients)
        elif (minute := lasting.get(clients)) and not _leads(minute, theirs.get(clients, other)):
            minutes.append(clients)
    return bursts, minutes


def _ahead(said: dict[str, Any], peer: str, ours: str) -> tuple[str, bool]:
    parts = []
    for what, called in CALLED.items():
        bursts, minutes = behind(said, peer, what, ours)
        parts += [f"behind with {called} at {', '.join(bursts)}"] if bursts else []
        parts += (
            [f"ahead with {called} at {', '.join(minutes)} in a burst alone, behind over a minute"] if minutes else []
        )
    return "; ".join(parts) or "ahead at each", not parts


def _leads(ours: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(ours["cpu_ms"] < other["cpu_ms"] and ours["per_s"] > other["per_s"])


def _not(promised: str) -> str:
    return f"| {promised} | *not measured* | |"


def _row(promised: str, measured: str, holds: bool, whole: bool = True) -> str:
    said = NOT if not holds else HOLDS if whole else f"{HOLDS}, as far as it was measured"
    return f"| {promised} | {measured} | {said} |"
