"""Rows as a check sees them, without pictures or shards: what is said of a row is what a test is about, the rest is sound."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from components.data.manifest import LABELS, SCHEMA
from components.validation.fit import BAR, fit_of
from components.validation.measure import MEASURED
from components.validation.rows import Rows
from components.validation.takedown import Takedown

KNOWN_BAD = Takedown(digests=frozenset({"a file known to be bad", "pixels known to be bad"}), looks=(0xFEED << 44,))
LISTED = Takedown(digests=frozenset({"a file that is listed", "pixels that are listed"}), looks=(0xABCD << 48,))


def row(key: str, *texts: str, split: str = "train", concept: str | None = None, **measured: object) -> dict:
    """Return a row of the manifest with what was measured of its picture; with no text it is called by its key."""
    sound = {
        "found": True, "intact": True, "decodable": True, "fault": "", "width": 64, "height": 64, "contrast": 0.3,
        "pixel_sha256": f"pixels of {key}", "perceptual": int(hashlib.sha256(key.encode()).hexdigest()[:16], 16),
        "colour": (0.5, 0.5, 0.5), "corners": (None, None, None, None), "says_where": False,
        "animated": False, "cmyk_converted": False, "exif_rotated": False,
    }  # fmt: skip
    return {
        **dict.fromkeys(SCHEMA.names),
        "key": key,
        "split": split,
        "sha256": f"file of {key}",
        "texts": [{"text": text, "kind": "short", "lang": "en"} for text in texts or (key,)],
        "labels": {name: concept if name == "concept" else None for name in LABELS},
        "measured": dict.fromkeys(MEASURED.names) | sound | measured,
    }


def rows(listed: Sequence[dict], seed: int = 0, takedown: Takedown = LISTED, known_bad: Takedown = KNOWN_BAD) -> Rows:
    """Return them as one table, in this order."""
    manifest = pa.Table.from_pylist([{name: one[name] for name in SCHEMA.names} for one in listed], SCHEMA)
    measured = pa.Table.from_pylist([one["measured"] for one in listed], MEASURED)
    scores = [one["measured"]["score"] for one in listed if one["measured"]["score"] is not None]
    fit = fit_of(np.array(scores), "a model", BAR) if scores else None
    return Rows.of(manifest, measured, seed, takedown, known_bad, fit)


def found(check, listed: Sequence[dict], seed: int = 0) -> dict[str, str]:
    """Return key -> reason, for checks that give at most one a row."""
    findings = check.find(rows(listed, seed))
    keys = {listed[finding.row]["key"]: finding.reason for finding in findings}
    assert len(keys) == len(findings)
    return keys
