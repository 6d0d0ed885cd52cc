"""Metrics in words: what a split asks, what a number means."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

SPLIT_MEANS = {
    "val": "held-out pictures, used to choose",
    "pair": "held-out pictures of known things",
    "designer": "known things by an unseen designer",
    "concept": "unseen things by known designers",
    "both": "unseen things by an unseen designer",
}
SET_MEANS = "a set beside the data's own"
DIRECTION_MEANS = {"image_to_text": "picture → name", "text_to_image": "name → picture"}
RECALL = re.compile(r"retrieval\.(\w+)\.(?:image_to_text|text_to_image)\.recall_at_")
FEATURES = re.compile(r"features\.(\w+)\.")
RANKED = re.compile(r"retrieval\.(?P<split>\w+)\.(?P<direction>\w+)\.(?P<what>median_rank|mean_average_precision)")
RANKED_MEANS = {"median_rank": "median rank", "mean_average_precision": "mean average precision"}
ZERO_SHOT = re.compile(r"zero_shot\.(?P<split>\w+)\.(?P<label>\w+)(?P<one>\.one_prompt)?\.top(?P<k>\d+)")
CALIBRATION = re.compile(r"calibration\.(?P<split>\w+)\.(?P<label>\w+)\.(?P<what>ece|brier)")
CALIBRATION_MEANS = {
    "ece": "error of its sureness",
    "brier": "squared distance of shares to the truth",
}
ROBUSTNESS = re.compile(r"robustness\.(?P<split>\w+)\.(?P<asked>\w+)\.(?P<change>\w+)")
SLICES = re.compile(r"slices\.(?P<split>\w+)\.(?P<of>\w+)\.(?P<asked>\w+)\.(?P<slice>\w+)")
PROBE = re.compile(r"(?P<what>probe|knn|few_shot)\.(?P<set>\w+(\.(?!shots_\d)\w+)?)(\.shots_(?P<shots>\d+))?\.top1")
PROBES_MEAN = {"probe": "probe", "knn": "nearest neighbours", "few_shot": "probe after {} a class"}
FEATURES_MEAN = {
    "modality_gap": "distance of pictures' mean to texts' mean",
    "alignment": "squared distance of picture and text",
    "image.effective_rank": "dimensions that pictures lie in",
    "text.effective_rank": "dimensions that texts lie in",
    "image.uniformity": "unevenness of pictures",
    "text.uniformity": "unevenness of texts",
    "image.variance": "what pictures do not share",
    "text.variance": "what texts do not share",
    "image.dead_share": "dead dimensions of pictures",
    "text.dead_share": "dead dimensions of texts",
}
BASELINES_MEAN = (
    "the group of the nearest training picture, the same probe on grey pixels, the same model before it was trained"
)
MOST_TELLING = ("modality_gap", "alignment", "image.effective_rank")  # of FEATURES_MEAN, where there is little room


def asks(split: str) -> str:
    """Return what a split asks, or that it is an evaluation set."""
    return SPLIT_MEANS.get(split, SET_MEANS)


def splits_of(named: Iterable[str]) -> dict[str, str]:
    """Return split -> what it asks, of those that numbers name: the data's own in their order, then evaluation sets."""
    found = dict.fromkeys(named)
    own = [split for split in SPLIT_MEANS if split in found]
    return {split: asks(split) for split in (*own, *(one for one in found if one not in own))}


def retrieval_rows(metrics: Mapping[str, Mapping[str, Any]], ks: Sequence[int] = (1, 10)) -> list[dict[str, Any]]:
    """Return a row for each split, direction and k that was measured, in a fixed order: what tables are made of."""
    rows = []
    for split, means in splits_of(match[1] for name in metrics if (match := RECALL.match(name))).items():
        for direction, arrow in DIRECTION_MEANS.items():
            for k in ks:
                metric = metrics.get(f"retrieval.{split}.{direction}.recall_at_{k}")
                if metric is not None:
                    rows.append({"split": split, "means": means, "direction": arrow, "k": k, **metric})
    return rows


def further_rows(metrics: Mapping[str, Mapping[str, Any]], brief: bool = False) -> list[dict[str, Any]]:
    """Return a row for everything that was measured beside recall: ranks, zero-shot, calibration, robustness, slices, probes, features, in this order.

    A row has `asked`, `split` and `means`, `method`, `n`, and value, baseline, chance and `between` as text, since units differ; `metric` is it as it is.
    `brief` leaves out what stands there only to be compared with, and the lesser statistics.
    """
    rows = [
        *([] if brief else _ranked(metrics)),
        *_zero_shot(metrics, brief),
        *_calibration(metrics, brief),
        *_robustness(metrics, brief),
        *_slices(metrics, brief),
        *_probes(metrics, brief),
        *_features(metrics, brief),
    ]
    return _told(rows)


def every_row(metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the same, and by its name whatever else was measured but recall at 1 and 10: no number is left out."""
    rows = further_rows(metrics)
    return rows + _told(_others(metrics, {id(row["metric"]) for row in rows}))


def _told(rows: Iterable[tuple[dict[str, str], Mapping[str, Any]]]) -> list[dict[str, Any]]:
    return [
        {
            **row, "method": metric.get("method", ""), "n": metric["n"],
            **{name: shown(metric[name], metric["unit"]) for name in ("value", "baseline", "chance")}, "between": between(metric), "metric": metric,
        }
        for row, metric in rows
    ]  # fmt: skip


def _others(metrics: Mapping[str, Any], told: set[int]) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    """Yield by their names what no words were found for; recall at 1 and 10 has a table of its own."""
    for name, metric in metrics.items():
        if id(metric) in told or re.fullmatch(r"retrieval\.\w+\.\w+\.recall_at_(1|10)", name):
            continue
        kind, split, *of = name.split(".")
        asked = {"asked": " ".join([kind, *of]).replace("_", " "), "split": split, "means": asks(split)}
        yield (asked if of or kind == "leakage" else {"asked": name, "split": "", "means": ""}), metric


def _ranked(metrics: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    found = [(match, metrics[name]) for name in metrics if (match := RANKED.fullmatch(name))]
    for split, means in splits_of(match["split"] for match, _ in found).items():
        for match, metric in found:
            if match["split"] == split:
                asked = f"{DIRECTION_MEANS[match['direction']]}, {RANKED_MEANS[match['what']]}"
                yield {"asked": asked, "split": split, "means": means}, metric


def _zero_shot(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    found = [(match, metrics[name]) for name in metrics if (match := ZERO_SHOT.fullmatch(name))]
    for label in dict.fromkeys(match["label"] for match, _ in found):
        for split, means in splits_of(match["split"] for match, _ in found).items():
            for match, metric in found:
                if (match["split"], match["label"]) != (split, label) or (
                    brief and (match["one"] or match["k"] != "1")
                ):
                    continue
                among = "" if match["k"] == "1" else f" among {match['k']}"
                yield (
                    {
                        "asked": f"{label}{among}{', one prompt' if match['one'] else ''}",
                        "split": split,
                        "means": means,
                    },
                    metric,
                )


def _calibration(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    found = [(match, metrics[name]) for name in metrics if (match := CALIBRATION.fullmatch(name))]
    for label, what in dict.fromkeys((match["label"], match["what"]) for match, _ in found):
        for split, means in splits_of(match["split"] for match, _ in found).items():
            for match, metric in found:
                if (match["split"], match["label"], match["what"]) == (split, label, what) and not (
                    brief and what == "brier"
                ):
                    yield {"asked": f"{label}, {CALIBRATION_MEANS[what]}", "split": split, "means": means}, metric


def _robustness(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    found = [(match, metrics[name]) for name in metrics if (match := ROBUSTNESS.fullmatch(name))]
    for split, means in splits_of(match["split"] for match, _ in found).items():
        for match, metric in found:
            asked = DIRECTION_MEANS.get(match["asked"], match["asked"])
            change = "all changes" if match["change"] == "mean" else match["change"].replace("_", " ")
            if match["split"] == split and not (brief and match["change"] != "mean"):
                yield {"asked": f"{asked}, {change}", "split": split, "means": means}, metric


def _slices(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    found = [(match, metrics[name]) for name in metrics if (match := SLICES.fullmatch(name))]
    for split, means in splits_of(match["split"] for match, _ in found).items():
        for match, metric in found:
            is_gap = match["slice"] == "gap"
            asked = DIRECTION_MEANS.get(match["asked"], match["asked"])
            what = f"gap of the worst {match['of']}" if is_gap else f"{match['of']} {match['slice'].replace('_', ' ')}"
            if match["split"] == split and not (brief and not is_gap):
                yield {"asked": f"{asked}, {what}", "split": split, "means": means}, metric


def _probes(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    for name, metric in metrics.items():
        if (match := PROBE.fullmatch(name)) and not (brief and match["what"] != "probe"):
            asked = f"{match['set'].replace('.', ' by ')}, {PROBES_MEAN[match['what']].format(match['shots'])}"
            yield (
                {"asked": asked, "split": "test", "means": "pictures that no model here trains on"},
                metric,
            )


def _features(metrics: Mapping[str, Any], brief: bool) -> Iterator[tuple[dict[str, str], Mapping[str, Any]]]:
    for split, means in splits_of(match[1] for name in metrics if (match := FEATURES.match(name))).items():
        for statistic in MOST_TELLING if brief else FEATURES_MEAN:
            if (metric := metrics.get(f"features.{split}.{statistic}")) is not None:
                yield {"asked": FEATURES_MEAN[statistic], "split": split, "means": means}, metric


def allowed(metrics: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any], without: Mapping[str, str]) -> str:
    """Return which splits and metrics this data allows, and why it does not allow the others.

    Args:
        metrics: as metrics.json has them.
        source: as source.json has it; its `without` says why a split is missing.
        without: as without.json of stage evaluate has it: what could not be measured, and why.
    """
    named = [name.split(".") for name in metrics]
    sets = {parts[1] for parts in named if parts[0] == "leakage"}  # which is measured on all, whatever else is asked
    splits = [split for split in SPLIT_MEANS if any(parts[:2] == ["retrieval", split] for parts in named)]
    splits += sorted(sets - set(SPLIT_MEANS))
    labels = dict.fromkeys(match["label"] for name in metrics if (match := ZERO_SHOT.fullmatch(name)))
    kinds = [
        "retrieval" if any(parts[0] == "retrieval" for parts in named) else "",
        f"zero-shot by {' and '.join(labels)}" if labels else "",
        "calibration" if any(parts[0] == "calibration" for parts in named) else "",
        "slices" if any(parts[0] == "slices" for parts in named) else "",
        "robustness" if any(parts[0] == "robustness" for parts in named) else "",
        *dict.fromkeys(
            f"a probe on {match['set'].replace('.', ' by ')}" for name in metrics if (match := PROBE.fullmatch(name))
        ),
        "statistics of the features" if any(parts[0] == "features" for parts in named) else "",
    ]
    said = f"This data allows the splits {', '.join(splits)} and these metrics: {', '.join(filter(None, kinds))}."
    stated = {what: why for what, why in source.get("without", {}).items() if what in (*SPLIT_MEANS, "zero_shot")}
    ours = {what: why for what, why in without.items() if not ("zero_shot" in stated and what.startswith("zero_shot."))}
    reasons: dict[str, list[str]] = {}
    for what, why in {**stated, **ours}.items():
        reasons.setdefault(why, []).append(what)
    missing = "; ".join(f"{', '.join(what)} ({why})" for why, what in reasons.items())
    return f"{said} Not measured: {missing}." if missing else said


def shown(value: float, unit: str) -> str:
    """Return a number as its unit is read: a share in percent, a rank as it is, others with two digits behind the point."""
    return percent(value) if unit == "fraction" else f"{value:,.{0 if unit == 'rank' else 2}f}"


def between(metric: Mapping[str, Any]) -> str:
    """Return `48.1–57.0%`, which holds what the model gets over all queries of the kind in 95 of 100 such cases; "" where it is not known."""
    if metric.get("low") is None:
        return ""
    unit = metric.get("unit", "fraction")
    low, high = (shown(metric[end], unit) for end in ("low", "high"))
    return f"{low.removesuffix('%')}–{high}" if unit == "fraction" else f"{low} to {high}"


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
