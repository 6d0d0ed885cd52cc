"""Captions translated by models of Hugging Face's library, such as Marian's, from folders of this machine.

Source: Junczys-Dowmunt et al. 2018, arXiv:1804.00344 (Marian). Differs: nothing is fetched, and one caption is asked at a time, so that an answer depends on
no other.
"""

import json
import random
from collections.abc import Mapping

from components.contracts.errors import ConfigError
from components.curation.translators.translator import Pair, Translator
from components.curation.writers.hugging_face import HuggingFaceWriter

INTO = "{into}"


class HuggingFaceTranslator(Translator):
    """Asks a model for each pair of languages; the likeliest word each time, so that the same caption is always translated alike.

    Args:
        models: `en-de` and so on -> folder as of HuggingFaceWriter; one folder may stand for several pairs.
        prompt: with {} where the caption goes, and {into} where the code of the language does, for models of several:
            ">>{into}<< {}" for Marian's.
        most_tokens: that a translation has; one that did not come to its end by then is none.

    Raises ConfigError for a pair that is none, and as of HuggingFaceWriter.
    """

    def __init__(self, models: Mapping[str, str], prompt: str = "{}", most_tokens: int = 120) -> None:
        self.models, self.prompt, self.most_tokens = dict(models), prompt, most_tokens
        self._writers: dict[Pair, HuggingFaceWriter] = {}
        for pair, folder in self.models.items():
            of, dash, into = pair.partition("-")
            if not (of and dash and into) or of == into:
                raise ConfigError(
                    f"models has {pair!r}, but is called by two languages. Write the one that is read and the one that is written, such as en-de."
                )
            self._writers[of, into] = HuggingFaceWriter(folder, prompt.replace(INTO, into), most_tokens, whole=True)
        if not self._writers:
            raise ConfigError("models is empty. Give a folder for a pair of languages, such as {en-de: models/en-de}.")

    @property
    def pairs(self) -> frozenset[Pair]:
        """Return those that have a model."""
        return frozenset(self._writers)

    @property
    def kept_as(self) -> str:
        """Return the numbers and the digest of all files of each folder."""
        said = {pair: self._writers[pair].kept_as for pair in sorted(self._writers)}
        return json.dumps([type(self).__name__, *("-".join(pair) + " " + name for pair, name in said.items())])

    def translate(self, text: str, of: str, into: str) -> str | None:
        """Return the first line of what the model says, None where that is nothing; the text itself where it says that."""
        return self._writers[of, into].answer(text, random.Random(0)) or None
