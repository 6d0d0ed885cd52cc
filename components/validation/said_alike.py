"""Which rows are said the same of, or nearly: captions that differ in case, numbers, marks, spelling, order or filler.

A template is not one thing said often: in "a photo of a cat" and "a photo of a dog" every caption has a word of its own,
and that word is what it says. So captions that are near each other are one group only where most of them have no such
word. Errs: whoever gives each caption a noun of its own looks like a template, and is not found, nor are captions that say
one thing in many ways; and a template whose words are all filled in from a few, such as "front view" and "back view", is
one thing where one of them fills most of it.
Axes: N rows, K different captions.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.data.minhash import MinHash, connected

NEAR = (0.5, 0.6, 0.7)  # of the shingles that near captions share; the next where by the one before all hang together
_MOST = 256  # captions of a group that are read, the most frequent ones
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+"
)  # scripts without spaces: each sign
_CORE = 0.6  # of a group's rows that have a word which is not one caption's own
_LIKE = 0.8  # of two words' letters that are the same in order, as of basketball and basketbal
_SHORT = 3  # letters; words of fewer are articles and the like


def said_alike(captions: pa.Array, least: int) -> NDArray[np.int64]:
    """Return int64 [N], for each caption the number of its group, -1 for one without a word.

    Equal captions are always of one group; near ones, where they are `least` rows or more and say one thing.
    """
    kernels = kernels_of(captions)
    different = kernels.drop_null().unique().sort()
    of_row = np.asarray(pc.index_in(kernels, different).fill_null(-1), np.int64)
    rows = np.bincount(of_row[of_row >= 0], minlength=len(different))
    group = np.arange(len(different))
    minhash = MinHash()
    pairs, shares = minhash.pairs(minhash.signatures(different), NEAR[0])
    for at_least in NEAR:
        pairs = pairs[shares >= at_least]
        shares = shares[shares >= at_least]
        said_more = np.zeros(len(different), bool)
        for some in _large(connected(pairs, len(different)), rows, least):
            often = some[np.argsort(-rows[some], kind="stable")][:_MOST]
            if says_one_thing(
                dict(zip(different.take(pa.array(often)).to_pylist(), rows[often].tolist(), strict=True))
            ):
                group[some] = some[0]
            else:
                said_more[some] = True
        inside = said_more[pairs[:, 0]]
        pairs, shares = pairs[inside], shares[inside]
    return np.append(group, -1)[of_row]


def _large(near: NDArray[np.int64], rows: NDArray[np.int64], least: int) -> list[NDArray[np.int64]]:
    """Return the members of every group of several captions that have `least` rows together."""
    several = (np.bincount(near) > 1) & (np.bincount(near, rows) >= least)
    members = np.flatnonzero(several[near])
    members = members[np.argsort(near[members], kind="stable")]
    return np.split(members, np.flatnonzero(np.diff(near[members])) + 1) if len(members) else []


def says_one_thing(captions: Mapping[str, int]) -> bool:
    """Return whether most rows of a group, caption -> rows, have no word but those that most of the group have.

    A word that is spelled nearly like one of the others' counts as that; one of a letter or two says nothing.
    """
    total = sum(captions.values())
    words = {caption: set(_WORD.findall(caption)) for caption in captions}
    has = Counter[str]()
    for caption, count in captions.items():
        has.update(dict.fromkeys(words[caption], count))
    core = sorted(word for word, count in has.items() if count > _CORE * total)
    own = {word for word in has if not _is_one_of(word, core)}
    of_their_own = sum(count for caption, count in captions.items() if words[caption] & own)
    return bool(core) and 2 * of_their_own < total


def _is_one_of(word: str, core: Sequence[str]) -> bool:
    if word in core or (len(word) < _SHORT and word.isascii()):
        return True
    return any(SequenceMatcher(None, one, word, autojunk=False).ratio() >= _LIKE for one in core)


def kernels_of(captions: pa.Array) -> pa.Array:
    """Return the words of each caption without case, numbers and marks; null where there is no word."""
    words = pc.utf8_trim(pc.replace_substring_regex(pc.utf8_lower(captions), r"\PL+", " "), " ")
    return pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words)
