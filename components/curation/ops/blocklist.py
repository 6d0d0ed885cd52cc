"""Samples whose texts have a word of a list, or are like a pattern.

Source: Gu et al. 2022, arXiv:2202.06767, section 3 (pairs with sensitive words, and captions without content, such as the name of a file).
Differs: the list is the user's; the paper's is not public.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_out import leave_out
from components.curation.leaving_texts_out import leave_texts_out, said

AT_ONCE = 200  # words in one pattern, which RE2 keeps small
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")
FILE_NAME = r"^\S*\.(jpe?g|png|gif|webp|bmp|tiff?)$|^(img|dsc|dcim|image|pic|photo|screenshot|图片|照片|微信图片)[ _-]*[0-9][0-9_ -]*$"
"""A text that is the name of a file, or a word for a picture and a number."""


class Blocklist(CurationOp):
    """Leaves out samples with a text that has one of the words.

    Case, and wide and narrow letters, count as the same. A word stands by itself, between blanks or marks, but at a character of a writing that
    takes no blanks, such as Chinese, where it may stand anywhere.

    Args:
        words: each one word or several.
        patterns: regular expressions as RE2 has them, of the text in small letters; `file_name` stands for FILE_NAME.
        whole: whether the sample goes with any such text; else such texts go, and the samples of which none is left.
        reason: what the report calls those that go.

    Raises ConfigError for no word and no pattern, an empty word, and what is no pattern.
    """

    def __init__(
        self, words: Sequence[str] = (), patterns: Sequence[str] = (), whole: bool = True, reason: str = "on the blocklist"
    ) -> None:  # fmt: skip
        if isinstance(words, str) or isinstance(patterns, str) or not (words or patterns):
            raise ConfigError(f"words is {words!r} and patterns is {patterns!r}. Give a list of one or more of either.")
        if not all(word.strip() for word in words):
            raise ConfigError(f"words is {list(words)}, and an empty word stands in every text. Take it out.")
        self.words, self.patterns, self.whole, self.reason = tuple(words), tuple(patterns), whole, reason
        alike = pc.utf8_lower(pc.utf8_normalize(pa.array(words, pa.string()), "NFKC")).to_pylist()
        made = [_standing(word.strip()) for word in alike]
        self._patterns = ["|".join(made[start : start + AT_ONCE]) for start in range(0, len(made), AT_ONCE)]
        for pattern in patterns:
            own = FILE_NAME if pattern == "file_name" else pattern
            try:
                pc.match_substring_regex(pa.array([""]), own)
            except pa.ArrowInvalid as err:
                raise ConfigError(f"patterns has {pattern!r}, which is none ({str(err).splitlines()[0]}). Mend it; RE2 has no look-around.") from err  # fmt: skip
            self._patterns.append(own)

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, where some may be left out."""
        return () if self.whole else ("texts",)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that are left."""
        texts, owner = said(table)
        plain = pc.utf8_lower(pc.utf8_normalize(pc.fill_null(pc.struct_field(texts, "text"), ""), "NFKC"))
        found = np.zeros(len(texts), bool)
        for pattern in self._patterns:
            found |= np.asarray(pc.match_substring_regex(plain, pattern), bool)
        if not self.whole:
            return leave_texts_out(self, table, self.reason, found)
        return leave_out(self, table, {self.reason: np.unique(owner[found])}, {"texts": int(found.sum())})


def _standing(word: str) -> str:
    """Return the pattern of a word where it stands by itself; vowels may be marks that follow a letter."""
    before = "" if _UNSPACED.match(word[0]) else r"(?:^|[^\p{L}\p{M}\p{N}])"
    after = "" if _UNSPACED.match(word[-1]) else r"(?:$|[^\p{L}\p{M}\p{N}])"
    return f"{before}{re.escape(word)}{after}"
