"""What adapting a model came to, in one sentence."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.evaluation.wanted import Wanted

OWN = "retrieval.pair.mean_recall"
MAIN = ("class.top1", "mean_recall")  # of a set: what is said of it


def advice(raced: Mapping[str, Any], held: Mapping[str, Any], more: Wanted | None = None) -> str:
    """Return what came of it, and what to do next.

    Args:
        raced: as adapted.json has it: way, called, steps, alpha, heats, kept; and `metric` where one's own number is not mean recall.
        held: as against_start.json has it: lines of one's `own`, and by set of what lies `elsewhere`.
        more: of which kind of pictures more would help.
    """
    also = (
        f" More pictures of {more.kind!r} would help most: {more.missed:,} of {more.asked:,} are missed."
        if more
        else ""
    )
    if raced["way"] == "start":
        why = (
            "nothing that was tried is better on val"
            if raced["kept"]
            else "whatever is better on val loses too much elsewhere"
        )
        return f"It stays as it was: {why}. More pictures, or a longer --budget, may change that.{also}"
    parts = [change(line, "here") for line in held["own"] if line["metric"] == raced.get("metric", OWN)]
    parts += list(lost(held))
    if not held["elsewhere"]:
        parts.append("what it lost elsewhere was not measured: name sets by --set")
    kept = "" if raced["kept"] else " (further would be better here, and lose too much elsewhere)"
    minutes = sum(heat["seconds"] for heat in raced["heats"]) / 60
    how = f", {raced['steps']:,} steps, alpha {raced['alpha']:g}" if raced["alpha"] else ""
    return f"{raced.get('called') or raced['way']}{how}{kept}: {'; '.join(parts)}; {minutes:.1f} minutes.{also}"


def lost(held: Mapping[str, Any]) -> Iterator[str]:
    """Yield how far the main number of each set is from what the start had."""
    for name, lines in held["elsewhere"].items():
        for line in main_lines(lines):
            yield change(line, f"on {name}")


def main_lines(lines: Any) -> list[Mapping[str, Any]]:
    """Return the one number that is said of a set: top-1 by its classes where it has any, else mean recall."""
    for ending in MAIN:
        if found := [line for line in lines if line["metric"].endswith(ending)]:
            return found[:1]
    return []


def change(line: Mapping[str, Any], where: str) -> str:
    """Return `+22.2 points of mean recall here (+16.7 to +27.8)`."""
    what = line["metric"].rpartition(".")[2].replace("_", " ")
    if line["difference"] is None or line["low"] is None or line["high"] is None:
        return f"{what} {where} cannot be compared"
    return f"{100 * line['difference']:+.1f} points of {what} {where} ({100 * line['low']:+.1f} to {100 * line['high']:+.1f})"
