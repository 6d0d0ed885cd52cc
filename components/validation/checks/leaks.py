"""What a test row has in common with what is trained on: a picture that looks nearly the same, or a long run of words.

Source: the words, Brown et al. 2020, arXiv:2005.14165, appendix C: a shared 13-gram is a leak, unless it stands in more
than 10 training rows, which makes it boilerplate. Differs: a row is a caption, not a web page.
"""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.personal import masked
from components.validation.check import Check
from components.validation.findings import Finding
from components.validation.near import Nearness
from components.validation.rows import Rows

_WORD = re.compile(r"\w+")
_WORDS = r"[\pL\pN\pM_]+"  # the same for RE2, or more


class Leaks(Check):
    """Rows of val and of the test splits against those of train.

    Args:
        bits: of the 64 of the perceptual hash that may differ.
        colour: most that the mean of a channel, 0 to 1, may differ.
        words: length of the run; captions with fewer words leak nothing.
        boilerplate: training rows; a run that more of them have is no leak.
    """

    def __init__(self, bits: int = 4, colour: float = 0.05, words: int = 13, boilerplate: int = 10) -> None:
        self.near = Nearness(bits=bits, colour=colour)
        self.words = words
        self.boilerplate = boilerplate

    def find(self, rows: Rows) -> list[Finding]:
        """Return `leak_near` for pictures and `leak_text` for words, with the training row."""
        return [*self._pictures(rows), *self._words(rows)]

    def _pictures(self, rows: Rows) -> list[Finding]:
        asked, held = np.flatnonzero(rows.measured_with), rows.different_pictures(rows.trained)
        other, bits = self.near.nearest(rows.prints(asked), rows.prints(held))
        return [
            rows.finding(asked[at], "leak_near", f"{bits[at]} of 64 bits from {rows.called(held[other[at]])}")
            for at in np.flatnonzero(other >= 0)
        ]

    def _words(self, rows: Rows) -> list[Finding]:
        asked = {run: (0, -1) for _, run in self._runs(rows, rows.measured_with)}  # run -> training rows, first of them
        if not asked:
            return []
        seen: set[tuple[str, int]] = set()
        for at, run in self._runs(rows, rows.trained):
            if run in asked and (run, at) not in seen:
                seen.add((run, at))
                count, first = asked[run]
                asked[run] = (count + 1, at if first < 0 else first)
        findings: dict[int, Finding] = {}
        for at, run in self._runs(rows, rows.measured_with):
            count, first = asked[run]
            if 0 < count <= self.boilerplate and at not in findings:
                findings[at] = rows.finding(at, "leak_text", f"shares {masked(run)!r} with {rows.called(first)}")
        return list(findings.values())

    def _runs(self, rows: Rows, wanted: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
        """Yield (row, run of `words` words in lower case) of the texts of these rows that are long enough."""
        texts = rows.texts()
        some = np.flatnonzero(wanted[texts.owner] & (np.asarray(pc.utf8_length(texts.text)) >= 2 * self.words - 1))
        text = texts.text.take(pa.array(some))
        long = np.asarray(pc.count_substring_regex(text, _WORDS)) >= self.words
        for at, said in zip(texts.owner[some[long]].tolist(), text.filter(pa.array(long)).to_pylist(), strict=True):
            words = _WORD.findall(said.lower())
            for start in range(len(words) - self.words + 1):
                yield at, " ".join(words[start : start + self.words])
