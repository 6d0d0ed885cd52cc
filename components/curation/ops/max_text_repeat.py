"""Texts that many samples have: what is said of everything says nothing of a picture.

Source: Gu et al. 2022, arXiv:2202.06767, section 3 (captions that come more than ten times). Differs: what is counted is the samples that have a
text, and a text that differs in digits, blanks or case alone may be counted as the same.
Memory: a number of each text.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_texts_out import leave_texts_out, said


class MaxTextRepeat(CurationOp):
    """Leaves out texts that more than so many samples have, all of them, and samples of which no text is left.

    Args:
        most: samples that may have a text; 10 in the paper.
        exact: whether only what is the same to the letter is the same; else case, blanks and which digits stand there do not count, so that
            `图片 1` and `图片 2` are one text.

    Raises ConfigError for a number below 1.
    """

    def __init__(self, most: int = 10, exact: bool = True) -> None:
        if most < 1:
            raise ConfigError(f"most is {most}, but a text is of one sample at least. Give 1 or more, such as 10.")
        self.most, self.exact = most, exact

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, of which some are left out."""
        return ("texts",)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that are left; the others are counted as `text of more than N samples`."""
        texts, owner = said(table)
        text = pc.fill_null(pc.struct_field(texts, "text"), "")
        if not self.exact:
            text = pc.replace_substring_regex(pc.utf8_lower(pc.utf8_normalize(text, "NFKC")), r"\s+", "")
            text = pc.replace_substring_regex(text, r"\p{N}", "0")
        if not len(text):
            return leave_texts_out(self, table, self._reason, np.zeros(0, bool))
        number = np.asarray(text.dictionary_encode().indices, np.int64)
        pairs = np.unique(np.stack([number, owner], 1), axis=0)  # a sample that says it twice is one sample
        samples = np.bincount(pairs[:, 0])
        return leave_texts_out(self, table, self._reason, samples[number] > self.most)

    @property
    def _reason(self) -> str:
        return f"text of more than {self.most} samples"
