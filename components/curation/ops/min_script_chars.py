"""Texts that are in a language, and have nothing of its writing.

Source: Gu et al. 2022, arXiv:2202.06767, section 3 (a caption has one Chinese character at least). Differs: any script, and only texts that are
said to be in such a language are held to it.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.contracts.curation import CurationOp, Report
from components.contracts.errors import ConfigError
from components.contracts.features import Features
from components.curation.leaving_texts_out import leave_texts_out, said


class MinScriptChars(CurationOp):
    """Leaves out texts with too few characters of a script, and samples of which no text is left.

    Args:
        script: as Unicode calls it, such as Han, Hangul or Cyrillic.
        least: characters of it in a text.
        languages: of the texts that are held to it, regions aside: zh is zh-TW too. None is all texts, in whatever language.

    Raises ConfigError for a script that is none, and a number below 1.
    """

    def __init__(self, script: str = "Han", least: int = 1, languages: Sequence[str] | None = ("zh",)) -> None:
        if least < 1:
            raise ConfigError(f"least is {least}, but no text would have too few. Give 1 or more.")
        self.script, self.least = script, least
        self.languages = None if languages is None else tuple(languages)
        self._pattern = rf"\p{{{script}}}"
        try:
            if not re.fullmatch(r"[A-Za-z_]+", script):
                raise ValueError("it is no name")
            pc.count_substring_regex(pa.array([""]), self._pattern)
        except (pa.ArrowInvalid, ValueError) as err:
            raise ConfigError(
                f"script is {script!r}, which is no script ({str(err).splitlines()[0]}). Give Unicode's name of one, such as Han, Hangul or Cyrillic."
            ) from err

    @property
    def needs(self) -> tuple[str, ...]:
        """Return where the texts are."""
        return ("texts",)

    @property
    def adds(self) -> tuple[str, ...]:
        """Return the texts, of which some are left out."""
        return ("texts",)

    def apply(self, table: pa.Table, features: Features, seed: int) -> tuple[pa.Table, Report]:
        """Return the rows that are left; the others are counted as `fewer than N Han characters`."""
        texts, _ = said(table)
        held = pc.count_substring_regex(pc.fill_null(pc.struct_field(texts, "text"), ""), self._pattern)
        few = np.asarray(pc.less(held, self.least), bool)
        if self.languages is not None:
            code = pc.replace_substring_regex(pc.fill_null(pc.struct_field(texts, "lang"), ""), "-.*", "")
            few &= np.asarray(pc.is_in(code, value_set=pa.array(self.languages, pa.string())), bool)
        return leave_texts_out(self, table, f"fewer than {self.least} {self.script} characters", few)
