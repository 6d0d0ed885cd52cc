"""Tokenizers as other libraries keep them, as one of ours: rows of one length.

Source: OpenAI's CLIP and open_clip (byte pairs in a gzipped list), transformers (tokenizer.json, or vocab.json beside
merges.txt). Differs: open_clip mends broken letters (ftfy) and HTML before it looks at words; here neither is done.
"""

import gzip
import json
import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from components.contracts.errors import DataError
from components.data.tokenizers import Vocabulary

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz")
START, END = "<|startoftext|>", "<|endoftext|>"
_MERGES = 49152 - 256 - 2  # OpenAI's list is longer than what CLIP reads of it
_PUNCTUATION = f"[{re.escape(string.punctuation)}]"
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def read_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a file, or of a folder that holds one; DataError when there is none."""
    if path.is_dir():
        found = [path / name for name in TOKENIZER_FILES if (path / name).is_file()]
        if not found:
            raise DataError(
                f"{path} has no tokenizer. Texts would be read as other words than the model learned. Give one with --tokenizer: "
                f"{', '.join(TOKENIZER_FILES)} (open_clip has the last beside its tokenizer.py)."
            )
        path = found[0]
    try:
        if path.suffix == ".gz":
            return _of_list(gzip.decompress(path.read_bytes()).decode())
        if path.name == "vocab.json":
            merges = (path.parent / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
            return of_byte_pairs(json.loads(path.read_text(encoding="utf-8")), [_pair(line) for line in merges if line])
        return Tokenizer.from_file(str(path))
    except Exception as err:  # the library raises bare Exception
        raise DataError(f"{path} cannot be read as a tokenizer ({err}). Fetch it again.") from err


def of_length(tokenizer: Tokenizer, context: int, pad: int) -> Vocabulary:
    """Return one whose rows are `context` tokens, cut or padded at the right with the token `pad`."""
    token = tokenizer.id_to_token(pad)
    if token is None:
        raise DataError(f"the tokenizer has no token {pad} to pad with; it has {tokenizer.get_vocab_size()}.")
    own = Tokenizer.from_str(tokenizer.to_str())
    own.enable_truncation(context)
    own.enable_padding(pad_id=pad, pad_token=token, length=context)
    return Vocabulary(own, pad)


def canonical(tokenizer: Tokenizer, underscore: str) -> Tokenizer:
    """Return one that first lowers a text and takes its punctuation away, as SigLIP's are used; `underscore` stands for _."""
    own = Tokenizer.from_str(tokenizer.to_str())
    steps = [
        normalizers.Replace("_", underscore), normalizers.Replace(Regex(_PUNCTUATION), ""), normalizers.Lowercase(),
        normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip(),
    ]  # fmt: skip
    own.normalizer = normalizers.Sequence([*steps, own.normalizer] if own.normalizer is not None else steps)
    return own


def of_byte_pairs(ids: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> Tokenizer:
    """Return CLIP's: lower case, words and signs apart, a start and an end."""
    made = Tokenizer(
        models.BPE(vocab=dict(ids), merges=list(merges), end_of_word_suffix="</w>", fuse_unk=False, unk_token=END)
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return made


def _of_list(text: str) -> Tokenizer:
    """Return the tokenizer of OpenAI's list: a byte, a byte that ends a word, then what each merge makes."""
    merges = [_pair(line) for line in text.split("\n")[1 : _MERGES + 1]]
    if len(merges) != _MERGES:
        raise ValueError(f"it lists {len(merges)} merges, and CLIP's has {_MERGES}")
    letters = _bytes()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    return of_byte_pairs({token: number for number, token in enumerate(tokens)}, merges)


def _pair(line: str) -> tuple[str, str]:
    first, second = line.split()
    return first, second


def _bytes() -> list[str]:
    """Return the letter that stands for each byte, those that can be seen first, as GPT-2 ordered them."""
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return [chr(byte) for byte in seen] + [chr(256 + number) for number in range(len(hidden))]
