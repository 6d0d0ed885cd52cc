"""The numbers of docs/serving-measured.md, rendered from docs/benchmarks: serve.json, vector_search.json, variants.json and fuzz.json.

python -m tests.benchmarks.serve_page     # write them there
"""

import json
import re
from typing import Any

from tests.benchmarks import serve
from tests.benchmarks.environments import ROOT
from tests.drills import fuzz_gateway

PAGE, KEPT = ROOT / "docs/serving-measured.md", ROOT / "docs/benchmarks"
SEARCHES = (
    "search by vector", "search by vector, half filtered out", "search by vector and words", "search by vector and words, half filtered out",
)  # fmt: skip
"""Of the gateway's index, with all that an answer holds, as vector_search.py names them."""
BUSY = 1.2  # times as much time as CPU, from which on others had the processor too


def main() -> None:
    """Write them into the page."""
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_numbers(page: str) -> str:
    """Return the page with what was measured in the places for it."""
    costs, vectors = _kept("serve"), _kept("vector_search")
    assert costs is not None
    assert vectors is not None
    shown = {
        **serve.page(costs, vectors, _kept("variants")), "vectors": drawn(vectors), "tower": trained(vectors["tower"]),
        "fuzz": fuzz_gateway.page(_kept("fuzz")),
    }  # fmt: skip
    for name, text in shown.items():
        page, found = re.subn(
            f"(?s)<!-- {name} -->\n.*?<!-- /{name} -->",
            lambda _, its=f"<!-- {name} -->\n{text}\n<!-- /{name} -->": its,
            page,
        )
        if found != 1:
            raise SystemExit(
                f"{PAGE.name} has {found} places for {name}; it needs one: <!-- {name} --> to <!-- /{name} -->."
            )
    return page


def drawn(said: dict[str, Any]) -> str:
    """Return the table of drawn vectors."""
    sides = said["sides"]
    codes, half, flat = sides["codes"], sides["codes, half filtered out"], sides["faiss flat"]
    return "\n".join([
        f"| {said['rows']:,} of {said['width']} numbers | milliseconds | recall@10 | {_held(codes)} | built in |",
        "| --- | --- | --- | --- | --- |",
        f"| codes, compared again | {codes['p50_ms']} | {codes['recall_at_10']:.3f} | {codes['memory_mb']:.0f} MB | {codes['build_s']} s |",
        f"| codes, half of them filtered out | {half['p50_ms']:.1f} | | | |",
        *(f"| {name} | {sides[name]['p50_ms']} | | | |" if name in sides else f"| {name} | *not measured* | | | |" for name in SEARCHES),
        f"| all compared (faiss flat) | {flat['p50_ms']:.1f} | 1 | {flat['memory_mb']:,.0f} MB | |",
        "",
        _by(said),
    ])  # fmt: skip


def trained(said: dict[str, Any]) -> str:
    """Return the table of a tower's vectors."""
    rows = said["rows"]
    busy = any(its["p50_ms"] > BUSY * its["cpu_p50_ms"] for its in rows.values())
    return "\n".join([
        f"| rows | milliseconds | CPU-milliseconds | recall@10 | {_held(next(iter(rows.values())))} | all compared |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {int(count):,} | {its['p50_ms']} | {its['cpu_p50_ms']} | {its['recall_at_10']:.3f} | {its['memory_mb']:.1f} MB, {its['memory_share']:.1%} | {its['flat_p50_ms']} ms |"
            for count, its in rows.items()
        ),
        "",
        _by(said) + (" It was busy with other work." if busy else ""),
    ])  # fmt: skip


def _held(its: dict[str, Any]) -> str:
    """Return what a number of memory is of: what a process holds, or only the file of codes, as it was once counted."""
    return "held in memory" if its.get("resident") else "codes, as a file"


def _by(said: dict[str, Any]) -> str:
    return f"`{said['command']}`, commit `{said['commit']}`, {said['machine']}."


def _kept(name: str) -> dict[str, Any] | None:
    path = KEPT / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


if __name__ == "__main__":
    main()
