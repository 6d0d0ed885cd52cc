"""What adapting a model came to, in one sentence."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from components.evaluation.wanted import Wanted

OWN = "retrieval.pair.mean_recall"
MAIN = (("zero_shot", "top1"), ("retrieval", "mean_recall"))
"""Kinds and last words of the numbers that are said of a set, and judged."""


def advice(raced: Mapping[str, Any], held: Mapping[str, Any], more: Wanted | None = None) -> str:
    """Return what came of it, and what to do next.

    Args:
        raced: as adapted.json has it: way, called, steps, alpha, heats, kept, where general pictures took part `recalled`; and `metric` where one's own number is not mean recall.
        held: as against_start.json has it: lines of one's `own`, and by set of what lies `elsewhere`.
        more: of which kind of pictures more would help.
    """
    also = (
        f" More pictures of {more.kind!r} would help most: {more.missed:,} of {more.asked:,} are missed."
        if more
        else ""
    )
    where = "on val, or by folds" if raced.get("by_folds") else "on val"
    if raced["way"] == "start":
        if raced["kept"]:
            why, what = f"nothing that was tried is better {where}", "More pictures, or a longer --budget,"
        else:
            why = f"whatever is better {where} loses too much elsewhere"
            what = "A larger --most-lost"
            if not raced.get("recalled", {}).get("replay"):
                what = "--replay 0.5, which learns from general pictures beside one's own, or a larger --most-lost"
        return f"It stays as it was: {why}. {what} may change that.{also}"
    parts = [change(line, "here") for line in held["own"] if line["metric"] == raced.get("metric", OWN)]
    parts += list(lost(held))
    if not held["elsewhere"]:
        parts.append("what it lost elsewhere was not measured: name sets by --set")
    kept = "" if raced["kept"] else " (what would be better still on val loses too much elsewhere)"
    minutes = sum(heat["seconds"] for heat in raced["heats"]) / 60
    how = f", {raced['steps']:,} steps, alpha {raced['alpha']:g}" if raced["alpha"] else ""
    return f"{raced.get('called') or raced['way']}{how}{kept}: {'; '.join(parts)}; {minutes:.1f} minutes.{also}"


def lost(held: Mapping[str, Any]) -> Iterator[str]:
    """Yield how far the main numbers of each set are from what the start had; of one that the start could not do, that nothing was to be lost."""
    for name, lines in held["elsewhere"].items():
        for line in main_lines(lines):
            yield change(line, f"on {name}") if line.get("able", True) else f"nothing to lose on {name}"


def main_lines(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the numbers that are said of a set: top-1 among the groups of each label that it is asked for, and mean recall."""
    return [line for line in lines if is_main(line["metric"])]


def is_main(metric: str) -> bool:
    """Return whether a number is `zero_shot.<set>.<label>.top1` or `retrieval.<set>.mean_recall`, and no part of one, such as `one_prompt`."""
    kind, *between, last = metric.split(".")
    return (kind, last) in MAIN and len(between) == (2 if kind == "zero_shot" else 1)


def change(line: Mapping[str, Any], where: str) -> str:
    """Return `+22.2 points of mean recall here (+16.7 to +27.8)`."""
    what = line["metric"].rpartition(".")[2].replace("_", " ")
    if line["difference"] is None or line["low"] is None or line["high"] is None:
        return f"{what} {where} cannot be compared"
    return f"{100 * line['difference']:+.1f} points of {what} {where} ({100 * line['low']:+.1f} to {100 * line['high']:+.1f})"
