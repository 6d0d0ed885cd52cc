"""card.md: what a person must know of a dataset before learning from it, in Markdown, with every number from the report.

Source: Gebru et al. 2018, arXiv:1803.09010 (datasheets); what the card of WIT counts, Srinivasan et al. 2021, arXiv:2103.01913.
Differs: only what was counted is said, and what nobody knows stands there as not known.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.reasons import REASONS
from components.contracts.sample import TEST_SPLITS
from components.data.kinds import KINDS
from components.data.language import UNKNOWN
from components.validation.check import read_catalogue
from components.validation.policy import Policy, kept_codes

NOT_STATED = "NOASSERTION"  # SPDX's word
_ELSEWHERE = (
    "name",
    "designers",
    "licences",
    "languages",
    "splits",
    "without",
    "labels",
    "examples",
    "counted",
    "admit",
)
_MARKS = re.compile(r"([\\`*_\[\]<>|#])")
Row = Sequence[str | int]


def dataset_card(
    came_in: Mapping[str, Any], report: Mapping[str, Any], passed: pa.Table, policy: Mapping[str, Policy]
) -> str:
    """Return card.md; the same for the same arguments.

    Args:
        came_in: source.json.
        report: report.json.
        passed: rows of the manifest that are kept, pools among them.
        policy: gates.policy of params.yaml.
    """
    source = came_in["source"]
    pieces = [
        f"# Dataset card: {_plain(source['name'])}",
        f"{report['clean']:,} pictures to learn from and {report['pools']:,} to test with, of {report['rows_in']:,} that came in. Snapshot "
        f"`{report['digest']}`, seed {came_in['seed']}.",
        "## Where it comes from",
        _table(("who made it", "licence", *report_splits(came_in)), _makers(came_in)),
        *_says_of_itself(source),
        "## What became of it",
        _table(("step", "in", "out", "set aside"), _steps(report)),
        *_kinds(came_in),
        _table(("split", "in", "kept", "set aside"), _splits(report)),
        *_reasons("## Set aside, and why", report["reasons"], True),
        *_reasons("## Kept, and told of", report["told"], False),
        "## What is kept",
        _table(("licence", "to learn from", "to test with"), _named(licences_of(passed))),
        _table(("language", "texts"), _named(report["languages"].items())),
        _table(("characters", "texts"), list(report["captions"].items())),
        _table(("shorter side, pixels", "pictures"), _sides(passed)),
        *([_table(("label", "pictures"), _labels(passed))] if _labels(passed) else []),
        "## What was looked for",
        f"{len(report['checks'])} rules of the schema, which the report lists; at most {report['max_broken']:.2%} of the records may break one. "
        "Then, in this order:",
        _table(("check", "settings", "what", "what is done"), _checks(policy)),
        "## What is not known",
        "\n".join(f"- {line}" for line in unknowns(came_in, report, passed, policy)),
    ]  # fmt: skip
    return "\n\n".join(pieces) + "\n"


def report_splits(came_in: Mapping[str, Any]) -> list[str]:
    """Return the splits that have pictures."""
    return [split for split, count in came_in["splits"].items() if count]


def licences_of(passed: pa.Table) -> list[Row]:
    """Return licence, pictures of train and val, pictures of pools; the most frequent first."""
    tested = np.asarray(pc.is_in(passed["split"], pa.array(TEST_SPLITS, pa.string())))
    counts = Counter(zip(passed["licence"].to_pylist(), tested.tolist(), strict=True))
    names = sorted({name for name, _ in counts}, key=lambda name: (-counts[name, False] - counts[name, True], name))
    return [(name, counts[name, False], counts[name, True]) for name in names]


def unknowns(
    came_in: Mapping[str, Any], report: Mapping[str, Any], passed: pa.Table, policy: Mapping[str, Policy]
) -> list[str]:
    """Return, in sentences, what this data does not say, and what nobody looked for."""
    source = came_in["source"]
    admit = source.get("admit", {})
    unlicensed = pc.sum(pc.equal(passed["licence"], NOT_STATED)).as_py() or 0
    unspoken = report["languages"].get(UNKNOWN, 0)
    said = []
    if unlicensed:
        said.append(f"Of {unlicensed:,} pictures the licence is not stated ({NOT_STATED}).")
    if unspoken:
        said.append(f"Of {unspoken:,} texts the language is not stated ({UNKNOWN}).")
    if admit.get("consent") != "required":
        said.append("Nobody was asked whether those whom the pictures show have consented (`admit.consent`).")
    if admit.get("health") != "refused":
        said.append("Health data of persons were not looked for (`admit.health`).")
    if "face" not in policy and admit.get("faces") != "blurred":
        said.append("Faces were not looked for (`gates.policy`).")
    said.append(
        "Whether a text is true of its picture, and which people, places and views are missing, was not measured."
    )
    return said + [f"{_plain(what)}: {_plain(why)}." for what, why in source.get("without", {}).items()]


def _makers(came_in: Mapping[str, Any]) -> list[Row]:
    splits = report_splits(came_in)
    return [
        (
            _plain(who),
            _plain(came_in["source"]["designers"].get(who, "not declared")),
            *(count.get(split, 0) for split in splits),
        )
        for who, count in came_in["designers"].items()
    ]


def _says_of_itself(source: Mapping[str, Any]) -> list[str]:
    facts = {name: value for name, value in source.items() if name not in _ELSEWHERE and value is not None}
    admitted = [f"What may come in (`admit`): `{json.dumps(source['admit'])}`."] if "admit" in source else []
    block = (
        ["```json\n" + json.dumps(facts, indent=2, ensure_ascii=True).replace("`", "\\u0060") + "\n```"]
        if facts
        else []
    )
    return block + admitted


def _steps(report: Mapping[str, Any]) -> list[Row]:
    ingest = report["ingest"]
    kept = report["clean"] + report["pools"]
    return [
        ("ingest", ingest["rows_in"], ingest["samples"], ingest["quarantined"]),
        ("validate", ingest["samples"], kept, report["quarantined"] - ingest["quarantined"]),
    ]


def _kinds(came_in: Mapping[str, Any]) -> list[str]:
    """Return of each kind of data that came in, such as documents, how many parts of how many wholes."""
    counted = [(kind.counted, came_in[kind.name]) for kind in KINDS if kind.name in came_in]
    return [f"{its[parts]:,} {parts} came in {its[wholes]:,} {wholes}." for (wholes, parts), its in counted]


def _splits(report: Mapping[str, Any]) -> list[Row]:
    return [
        (_plain(split), its["rows_in"], its["kept"], its["rows_in"] - its["kept"])
        for split, its in report["splits"].items()
        if its["rows_in"]
    ]


def _reasons(head: str, counted: Mapping[str, Mapping[str, Any]], with_count: bool) -> list[str]:
    if not counted:
        return [head, "Nothing."]
    rows = [
        (
            f"`{code}`",
            its["rows"],
            *(("broken" if REASONS[code].broken else "set aside",) if with_count else ()),
            its["meaning"],
        )
        for code, its in counted.items()
    ]
    return [head, _table(("reason", "records", *(("counts as",) if with_count else ()), "meaning"), rows)]


def _sides(passed: pa.Table) -> list[Row]:
    """Return pictures by their shorter side, in steps of two."""
    shorter = np.minimum(*(np.asarray(passed[side].drop_null(), np.int64) for side in ("width", "height")))
    steps = Counter(int(side).bit_length() for side in shorter)
    return [(f"{2 ** (step - 1)} to {2**step - 1}", steps[step]) for step in sorted(steps)]


def _labels(passed: pa.Table) -> list[Row]:
    """Return the categories that are kept, the most frequent first."""
    names = passed["labels"].combine_chunks().field("category").drop_null().to_pylist()
    return [(_plain(name), count) for name, count in sorted(Counter(names).items(), key=lambda one: (-one[1], one[0]))]


def _checks(policy: Mapping[str, Policy]) -> list[Row]:
    kept = kept_codes(policy)
    return [
        (
            name,
            ", ".join(f"{what} {value}" for what, value in entry.init_args.items()) or "-",
            entry.about,
            ", ".join(f"`{code}` {'told of' if code in kept else 'set aside'}" for code in entry.reasons),
        )
        for name, entry in read_catalogue().items()
    ]


def _named(rows: Iterable[Row]) -> list[Row]:
    """Return rows of which the first cell comes from the data."""
    return [(_plain(name), *counts) for name, *counts in rows]


def _table(head: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a table; texts of rows have been made plain by the caller."""
    lines = [head, ["---"] * len(head), *(rows or [["none", *["-"] * (len(head) - 1)]])]
    return "\n".join(
        f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else cell for cell in line)} |" for line in lines
    )


def _plain(text: object) -> str:
    """Return a text on one line in which nothing is a mark of Markdown or HTML."""
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))
