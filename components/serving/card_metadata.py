"""What Hugging Face reads of a model card: YAML in front of the text, with licence, languages, task and results.

Source: huggingface.co/docs/hub/model-cards, and huggingface_hub's ModelCard, which reads it back in the tests.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from components.evaluation.wording import SPLIT_MEANS, ZERO_SHOT, asks, retrieval_rows, splits_of

UNSTATED, UNDETERMINED = "NOASSERTION", "und"  # SPDX: nobody said; ISO 639: nobody knows
TASK = "zero-shot-image-classification"
KNOWN = frozenset(
    {
        "apache-2.0", "mit", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0",
        "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0", "ofl-1.1", "odc-by", "odbl", "pddl",
    }
)  # fmt: skip
"""Identifiers of SPDX, in small letters, that the Hub has too."""


def front_matter(
    name: str,
    source: str,
    data: str,
    licences: Mapping[str, int],
    languages: Mapping[str, int],
    metrics: Mapping[str, Mapping[str, Any]],
) -> str:
    """Return the YAML between its two lines of dashes.

    Args:
        name: of the recipe.
        source: name of the data.
        data: its digest, as the revision of what was measured on where a number does not say its own.
        licences: SPDX identifier -> pictures trained on.
        languages: code -> texts trained on.
        metrics: as metrics.json has them.
    """
    spoken = sorted(code for code in languages if code != UNDETERMINED)
    about: dict[str, Any] = {
        **licence(licences),
        **({"language": spoken} if spoken else {}),
        "library_name": "diptych",
        "pipeline_tag": TASK,
        "tags": ["clip", "image-text", "onnx", name] if name != "clip" else ["clip", "image-text", "onnx"],
    }
    results = list(_results(source, data, metrics))
    if results:
        about["metrics"] = sorted({metric["type"] for result in results for metric in result["metrics"]})
        about["model-index"] = [{"name": name, "results": results}]
    return f"---\n{yaml.safe_dump(about, sort_keys=False, allow_unicode=True)}---\n"


def licence(counts: Mapping[str, int]) -> dict[str, str]:
    """Return what is known of the licence: of the pictures, since nobody has given the weights one.

    One that all pictures have and the Hub knows is stated; several, or one that it does not know, are `other` with their names;
    `unknown` where nobody stated any.
    """
    stated = sorted(one for one in counts if one != UNSTATED)
    if not stated:
        return {"license": "unknown"}
    if len(stated) == len(counts) == 1 and stated[0].lower() in KNOWN:
        return {"license": stated[0].lower()}
    unstated = ["of some nobody stated one"] if UNSTATED in counts else []
    return {"license": "other", "license_name": f"of the training pictures: {', '.join([*stated, *unstated])}"}


def _results(source: str, data: str, metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the results of each task on each split, as the Hub's model-index has them."""
    for split in splits_of(name.split(".")[1] for name in metrics if name.startswith(("retrieval.", "zero_shot."))):
        retrieved = [row for row in retrieval_rows(metrics) if row["split"] == split]
        if retrieved:
            found = [_metric("recall", f"R@{row['k']}, {row['direction']}", row) for row in retrieved]
            yield _result("image-text-retrieval", "retrieval", source, split, retrieved[0].get("data", data), found)
        named = ((ZERO_SHOT.fullmatch(name), metric) for name, metric in metrics.items())
        for label, of in _by_label(split, named).items():
            asked = [
                _metric("accuracy", f"top {match['k']}{', one prompt' if match['one'] else ''}", metric)
                for match, metric in of
            ]
            yield _result(TASK, f"zero-shot by {label}", source, split, of[0][1].get("data", data), asked)


def _by_label(split: str, named: Any) -> dict[str, list[tuple[Any, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[Any, Mapping[str, Any]]]] = {}
    for match, metric in named:
        if match is not None and match["split"] == split:
            found.setdefault(match["label"], []).append((match, metric))
    return found


def _result(
    task: str, called: str, source: str, split: str, data: str, metrics: list[dict[str, Any]]
) -> dict[str, Any]:
    whose = source if split in SPLIT_MEANS else split  # a set is a data set of its own
    dataset = {"type": whose, "name": f"{whose}, {split}: {asks(split)}", "split": split, "revision": data}
    return {"task": {"type": task, "name": called}, "dataset": dataset, "metrics": metrics}


def _metric(kind: str, name: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a number as it is, with what is needed to read it."""
    beside = {what: metric[what] for what in ("low", "high", "chance", "baseline", "n") if metric.get(what) is not None}
    return {"type": kind, "name": name, "value": metric["value"], "args": beside}
