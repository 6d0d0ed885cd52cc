"""Metrics in words: what a split asks, what a number means."""

from collections.abc import Mapping, Sequence
from typing import Any

SPLIT_MEANS = {
    "val": "held-out pictures, used to choose",
    "pair": "held-out pictures of known things",
    "designer": "known things by an unseen designer",
    "concept": "unseen things by known designers",
    "both": "unseen things by an unseen designer",
}
DIRECTION_MEANS = {"image_to_text": "picture → name", "text_to_image": "name → picture"}


def retrieval_rows(metrics: Mapping[str, Mapping[str, Any]], ks: Sequence[int] = (1, 10)) -> list[dict[str, Any]]:
    """Return a row for each split, direction and k that was measured, in a fixed order: what tables are made of."""
    rows = []
    for split, means in SPLIT_MEANS.items():
        for direction, arrow in DIRECTION_MEANS.items():
            for k in ks:
                metric = metrics.get(f"retrieval.{split}.{direction}.recall_at_{k}")
                if metric is not None:
                    rows.append({"split": split, "means": means, "direction": arrow, "k": k, **metric})
    return rows


def tuning(tuned: Mapping[str, Any] | None) -> str:
    """Return how a model was fine-tuned, from the metrics.json of that stage; None where it was not."""
    if tuned is None:
        return "no"
    how = f"{tuned['strategy']} for {tuned['steps']:,} steps"
    chosen = "chosen on val" if len(tuned["alphas"]) > 1 else "as the recipe says"
    if tuned["alpha"] == 0:
        return f"{how}, and none of it kept ({chosen}): these are the pre-trained weights"
    return f"{how}, then alpha {tuned['alpha']:g} between the weights before (0) and after (1), {chosen}"


def percent(share: float) -> str:
    """Return `52.6%`; a tenth of a percent is finer than any of the pools."""
    return f"{100 * share:.1f}%"
