"""Captions written anew by a language model of Hugging Face's library, from a folder of this machine.

Source: Fan et al. 2023, arXiv:2305.20088, section 3 (a language model writes captions in other words). Differs: the prompt is the recipe's own and has no
examples; what the model makes up is refused by the step Rewrite.
"""

import json
import os
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from components.contracts.errors import CapabilityError, ConfigError, DataError
from components.contracts.sealed import digest_of, sha256_of
from components.curation.phrases import Phrase
from components.curation.writers.writer import Writer

_WEIGHTS = "*.safetensors"


class HuggingFaceWriter(Writer):
    """Asks a causal model, or one of an encoder and a decoder, of one caption at a time, so that an answer depends on no other caption.

    Nothing is fetched, no code of the folder is run and no pickle is read. Where its tokenizer has a template for chats, the prompt is put into it. Numbers
    differ in their last bits between processors and numbers of threads, so that another machine may, rarely, write another word.

    Args:
        model: folder with `config.json`, weights in safetensors and a tokenizer, as `save_pretrained` writes them; relative to the workspace. After another
            model came into the same folder, run `dvc repro --force --single-item curate@<recipe>`: DVC sees the name alone.
        prompt: with {} where the caption goes.
        most_tokens: that are written; the first line counts.
        temperature: 0 takes the likeliest word each time; above, words are drawn by the sample's key and the seed.
        whole: whether what did not come to its end within `most_tokens` is nothing.
    """

    def __init__(
        self,
        model: str,
        prompt: str = "Say in other words, without adding anything: {}",
        most_tokens: int = 60,
        temperature: float = 0.0,
        whole: bool = False,
    ) -> None:
        if prompt.count("{}") != 1:
            raise ConfigError(f"prompt is {prompt!r}, and the caption goes where {{}} stands. Write {{}} once.")
        if most_tokens < 1:
            raise ConfigError(f"most_tokens is {most_tokens}, but something has to be written. Give 1 or more.")
        if not temperature >= 0:
            raise ConfigError(f"temperature is {temperature}. Give 0 for the likeliest words, or a number above.")
        self.model, self.prompt, self.most_tokens, self.temperature = model, prompt, most_tokens, temperature
        self.whole = whole

    @property
    def kept_as(self) -> str:
        """Return the numbers and the digest of all files of the folder; ConfigError where it has no weights that are read."""
        folder = self._folder()
        files = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        numbers = json.dumps([self.prompt, self.most_tokens, self.temperature, *["whole"] * self.whole])
        return f"{type(self).__name__} {digest_of(files)} {numbers}"

    def write(
        self, caption: str, named: Sequence[Phrase], luck: random.Random, picture: bytes | None = None
    ) -> str | None:
        """Return what the model says, None where that is nothing or the caption itself."""
        written = self.answer(caption, luck)
        return written if written != caption else None

    def answer(self, caption: str, luck: random.Random) -> str | None:
        """Return what the model says, None where that is nothing."""
        _, tokenizer = self._loaded
        asked = self.prompt.replace("{}", caption)
        if chat := tokenizer.chat_template:
            said = [{"role": "user", "content": asked}]
            asked = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        given = tokenizer(asked, return_tensors="pt", add_special_tokens=not chat, return_token_type_ids=False)
        return self._said(given, luck)

    def _said(self, given: Mapping[str, Any], luck: random.Random) -> str | None:
        """Return the first line of what the model goes on with, None where that is nothing, and where it has to be whole and did not come to its end."""
        import torch

        model, reader = self._loaded
        words = getattr(reader, "tokenizer", reader)
        drawn = {"do_sample": True, "temperature": self.temperature} if self.temperature else {"do_sample": False}
        filler = next((one for one in (words.pad_token_id, words.eos_token_id) if one is not None), 0)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(luck.getrandbits(63))
            ids = model.generate(**given, max_new_tokens=self.most_tokens, pad_token_id=filler, **drawn)[0]
        new = ids if model.config.is_encoder_decoder else ids[given["input_ids"].shape[1] :]
        if self.whole and len(new) >= self.most_tokens and int(new[-1]) not in _ends(model):
            return None
        lines = words.decode(new, skip_special_tokens=True).strip().splitlines()
        return (lines[0].strip().strip('"').strip() if lines else "") or None

    def _folder(self) -> Path:
        """Return the folder; ConfigError unless it is there and has weights in safetensors."""
        folder = Path(self.model)
        if not (folder / "config.json").is_file():
            raise ConfigError(
                f"model is {self.model!r}, and there is no {self.model}/config.json. Give a folder that save_pretrained has written, with its "
                "tokenizer; paths start at the workspace, and nothing is fetched."
            )
        if not any(folder.glob(_WEIGHTS)):
            others = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pth")))
            raise ConfigError(
                f"model is {self.model!r}, which has no weights in safetensors"
                f"{f', only {others}: pickles can run code, and are not read' if others else ''}. Load it where you trust it, and write it anew by "
                "save_pretrained."
            )
        return folder

    def _kinds(self, library: Any, config: Any) -> tuple[Any, Any]:
        """Return the classes of the model and of what reads for it."""
        kind = library.AutoModelForSeq2SeqLM if config.is_encoder_decoder else library.AutoModelForCausalLM
        return kind, library.AutoTokenizer

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Return the model and what reads for it; DataError for a folder that they cannot be read from."""
        folder = self._folder()
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        try:
            import transformers
        except ModuleNotFoundError as err:
            raise CapabilityError(
                f"{type(self).__name__} needs transformers, which is not installed here. Run .venv/bin/python -m pip install -e '.[hf]', or take another "
                "writer."
            ) from err
        here = {"local_files_only": True, "trust_remote_code": False}
        try:
            config = transformers.AutoConfig.from_pretrained(folder, **here)
            kind, reader = self._kinds(transformers, config)
            model, told = kind.from_pretrained(
                folder, config=config, use_safetensors=True, output_loading_info=True, **here
            )
            if told["missing_keys"]:  # would be drawn at random
                raise ValueError(f"it has no weights for {', '.join(sorted(told['missing_keys'])[:3])}")
            return model.eval(), reader.from_pretrained(folder, **here)
        except ImportError as err:  # such as of SentencePiece, which Marian's tokenizers are read with
            lacking = " ".join(str(err).split()).partition(". ")[0]
            raise CapabilityError(
                f"the tokenizer in {self.model} cannot be read here: {lacking}. Run .venv/bin/python -m pip install with that library (sentencepiece for "
                "Marian's), or write the tokenizer anew as tokenizer.json where it is."
            ) from err
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as err:
            raise DataError(
                f"the model in {self.model} cannot be read ({type(err).__name__}: {str(err).splitlines()[0]}). It has to be one that writes text, "
                "of a kind that transformers has itself, with its tokenizer."
            ) from err

    def __getstate__(self) -> dict[str, Any]:
        """Return the numbers alone: another process reads the model itself."""
        return {name: value for name, value in vars(self).items() if name != "_loaded"}


def _ends(model: Any) -> frozenset[int]:
    """Return the tokens that end what a model writes."""
    said = model.generation_config.eos_token_id
    return frozenset(said if isinstance(said, list) else [said])
