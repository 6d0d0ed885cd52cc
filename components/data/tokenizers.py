"""Byte-pair encoding trained on the captions of the training split, kept whole in one `tokenizer.json`.

Source: Radford et al. 2021, arXiv:2103.00020, section 2.4 (lower-cased byte-pair encoding, start and end tokens). Differs: the
vocabulary is learned from the recipe's own captions. Truncation, padding, start and end live inside the file, so that
`Tokenizer.from_file(path).encode(text).ids` is the row a text tower takes, in training and in serving alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from components.contracts.batch import Texts
from components.contracts.errors import ConfigError, DataError
from components.contracts.text_pick import Place

PAD, START, END = "<pad>", "<start>", "<end>"


class Vocabulary:
    """A tokenizer of fixed length.

    Args:
        tokenizer: a Hugging Face tokenizer with truncation and padding set to the same length.
        pad: the id of padding; 0 in every model that was trained here.
    """

    def __init__(self, tokenizer: Tokenizer, pad: int = 0) -> None:
        padding = tokenizer.padding
        if tokenizer.truncation is None or padding is None or tokenizer.token_to_id(padding["pad_token"]) != pad:
            raise DataError(
                f"tokenizer.json has no truncation, no padding, or its padding token is not id {pad}, so rows would differ in "
                "length. Train it with Vocabulary.train, or set the three in the file."
            )
        self.tokenizer, self.pad = tokenizer, pad
        self.context = int(tokenizer.truncation["max_length"])

    @classmethod
    def train(cls, captions: Iterable[str], size: int, context: int, whole: Sequence[str] = ()) -> "Vocabulary":
        """Learn `size` tokens from captions; rows are `context` tokens, start and end among them.

        What is read: NFKC and lower case of a caption, as the file says; captions themselves are kept as they came. What stands in `whole` is one
        token wherever it stands as it is there, and is counted among `size`.

        Raises ConfigError when there is no room for a word between start and end, or for every byte in the vocabulary, and for a
        whole that is empty or said twice.
        """
        if context < 3:
            raise ConfigError(f"context is {context}, which leaves no room between start and end. Give at least 3.")
        if len(set(whole)) != len(whole) or not all(one.strip() for one in whole):
            raise ConfigError(f"whole is {list(whole)}, but each is a token of its own. Give some text, each once.")
        least = 3 + len(pre_tokenizers.ByteLevel.alphabet()) + len(whole)
        if size < least:
            more = f", {len(whole)} for what stays whole" if whole else ""
            raise ConfigError(
                f"vocabulary is {size}, but every byte and three special tokens need one each{more}. Give at least {least}."
            )
        learned = Tokenizer(models.BPE())
        learned.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=size - len(whole),
            special_tokens=[PAD, START, END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        learned.train_from_iterator(captions, trainer)
        tokenizer = Tokenizer(learned.model)  # without the trainer's added tokens: a typed <pad> is text like any other
        tokenizer.normalizer, tokenizer.pre_tokenizer = learned.normalizer, learned.pre_tokenizer
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens([AddedToken(one, normalized=False) for one in whole])
        ids = {token: tokenizer.token_to_id(token) for token in (PAD, START, END)}
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
        )
        tokenizer.enable_truncation(context)
        tokenizer.enable_padding(pad_id=ids[PAD], pad_token=PAD, length=context)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path, pad: int = 0) -> "Vocabulary":
        """Read a tokenizer.json; DataError when it is missing, not one, or pads with another id."""
        try:
            return cls(Tokenizer.from_file(str(path)), pad)
        except DataError:
            raise
        except Exception as err:  # the library raises bare Exception
            raise DataError(f"{path} cannot be read as a tokenizer ({err}). Train or package the model again.") from err

    def save(self, path: Path) -> None:
        """Write tokenizer.json."""
        path.write_text(self.tokenizer.to_str(pretty=True), encoding="utf-8")

    def uncut(self) -> Tokenizer:
        """Return a tokenizer that neither cuts nor pads, such as for counting; this one goes on doing both."""
        whole = Tokenizer.from_str(self.tokenizer.to_str())
        whole.no_truncation()
        whole.no_padding()
        return whole

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> Texts:
        """Return ids and mask of each text, [N L]; a text over the length keeps its start and the end token."""
        rows = self.tokenizer.encode_batch_fast(list(texts))  # which does not say where in a text a token lies
        ids = np.array([row.ids for row in rows], np.int64)
        mask = np.array([row.attention_mask for row in rows], np.bool_)
        return Texts(ids=torch.from_numpy(ids), mask=torch.from_numpy(mask))

    def named(self, texts: Sequence[str], words: Sequence[str]) -> Bool[np.ndarray, "N L"]:
        """Return which tokens of a row are of the first place where its text has its word, whatever the case.

        All but start, end and padding where the text has no such word, or it was cut off.
        """
        rows = self.tokenizer.encode_batch(list(texts))
        found = np.zeros((len(rows), max((len(row.ids) for row in rows), default=0)), np.bool_)
        for mask, row, text, word in zip(found, rows, texts, words, strict=True):
            begin = text.lower().find(word.lower())
            ends = (begin, begin + len(word)) if begin >= 0 and word else (0, len(text))
            for first, last in (ends, (0, len(text))):
                mask[: len(row.ids)] = [start < last and end > max(first, start) for start, end in row.offsets]
                if mask.any():
                    break
        return found

    def spans(
        self, texts: Sequence[str], places: Sequence[Sequence[Place]]
    ) -> Iterator[tuple[tuple[int, int] | None, ...]]:
        """Yield of each text the tokens of its places, the first and the one behind the last; None for a place that was cut off in part.

        Args:
            places: of each text, in characters.
        """
        for row, own in zip(self.tokenizer.encode_batch(list(texts)), places, strict=True):
            end = max(last for _, last in row.offsets)
            yield tuple(_tokens(row.offsets, place) if place[1] <= end else None for place in own)


def _tokens(offsets: Sequence[Place], place: Place) -> tuple[int, int] | None:
    """Return the tokens that share a character with the place; start, end and padding have none."""
    first, last = place
    found = [number for number, (start, end) in enumerate(offsets) if start < last and end > max(first, start)]
    return (found[0], found[-1] + 1) if found else None
