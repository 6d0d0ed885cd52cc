"""How many tokens texts have, by the tokenizer that is served, for whoever counts what was used."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

CHARACTERS = 10_000  # of texts that are read on the event loop, some twenty milliseconds


async def used(repository: Path, texts: Sequence[str]) -> int:
    """Return as of `counted`, of many characters by a thread, since nobody else is answered meanwhile."""
    if sum(map(len, texts)) > CHARACTERS:
        return await asyncio.to_thread(counted, repository, texts)
    return counted(repository, texts)


def counted(repository: Path, texts: Sequence[str]) -> int:
    """Return the tokens of all texts as the model read them: cut at its length, padding left out."""
    return sum(sum(one.attention_mask) for one in _tokenizer(repository).encode_batch(list(texts))) if texts else 0


@lru_cache(maxsize=8)
def _tokenizer(repository: Path) -> Tokenizer:
    return Tokenizer.from_file(str(repository / "tokenizer" / "1" / "tokenizer.json"))
