"""Captions written by a model that looks at the picture, from a folder of this machine.

Source: Zheng et al. 2024, arXiv:2403.17007, section 3.1, and Yang et al. 2023, arXiv:2308.08428, section 3.1 (captions by a model that sees the picture, beside
the ones of the web). Differs: whichever model lies in the folder is asked, by the recipe's own prompt.
"""

import random
from collections.abc import Sequence
from typing import Any

from components.curation.phrases import Phrase
from components.curation.writers.hugging_face import HuggingFaceWriter
from components.data.pictures import on_white
from components.data.transforms.preprocess import BadImage


class VisionLanguageWriter(HuggingFaceWriter):
    """Asks a model of a picture and a prompt, one picture at a time; on white where the picture is clear.

    The folder has what reads pictures for it, too (`preprocessor_config.json`), and its weights, numbers and promises are as of HuggingFaceWriter. Where it
    has a template for chats, picture and prompt are put into that; else the prompt must have what stands for the picture, if the model wants that.
    Say `check: false` of Rewrite, or whatever the old caption does not name is refused.

    Args:
        model: folder, as `save_pretrained` of model and processor writes it; relative to the workspace.
        prompt: with {} where the old caption goes, which is empty where there is none.
        most_tokens: that are written; the first line counts.
        temperature: 0 takes the likeliest word each time; above, words are drawn by the sample's key and the seed.
    """

    def __init__(
        self,
        model: str,
        prompt: str = "It was called: {}. Describe the picture in one sentence.",
        most_tokens: int = 60,
        temperature: float = 0.0,
    ) -> None:
        super().__init__(model, prompt, most_tokens, temperature)

    @property
    def sees(self) -> bool:
        """Return that it does."""
        return True

    def write(
        self, caption: str, named: Sequence[Phrase], luck: random.Random, picture: bytes | None = None
    ) -> str | None:
        """Return what the model says of the picture, None where that is nothing, the caption itself, or no picture can be decoded."""
        assert picture is not None
        _, processor = self._loaded
        asked = self.prompt.replace("{}", caption)
        if processor.chat_template:
            said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked}]}]
            asked = processor.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        try:
            shown = on_white(picture)
        except BadImage:
            return None
        written = self._said(processor(images=shown, text=asked, return_tensors="pt"), luck)
        return written if written != caption else None

    def _kinds(self, library: Any, config: Any) -> tuple[Any, Any]:
        return library.AutoModelForImageTextToText, library.AutoProcessor
