"""E-mail addresses, phone numbers and card numbers in captions: a model would learn them, and a served index answer with them."""

from itertools import compress

import numpy as np
import pyarrow.compute as pc

from components.data.personal import MAYBE, find_personal, plain
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.rows import Rows


class PiiText(Check):
    """Any text of a row; what was found is named by its kind and never repeated, so that no report spreads it."""

    def find(self, rows: Rows) -> list[Finding]:
        """Return `pii_text` for every row of which a text holds something personal."""
        texts = rows.texts()
        maybe = np.asarray(pc.match_substring_regex(texts.text, MAYBE, ignore_case=True))
        kinds: dict[int, list[str]] = {}
        for at, text in zip(texts.owner[maybe].tolist(), compress(texts.text.to_pylist(), maybe), strict=True):
            kinds.setdefault(at, []).extend(one.kind for one in find_personal(plain(text)))
        return [
            rows.finding(at, "pii_text", f"what is said of it holds {' and '.join(dict.fromkeys(found))}")
            for at, found in kinds.items()
            if found
        ]
