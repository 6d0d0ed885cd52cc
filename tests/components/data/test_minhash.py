"""Signatures estimate what can be counted, near texts are found among many, and nothing depends on where a text stands."""

import numpy as np
import pyarrow as pa
import pytest

from components.data.minhash import MinHash, connected
from tests.near_captions import near_equal, unlike


def shingles(text: str, letters: int = 4) -> set[bytes]:
    padded = f" {text.ljust(letters)} ".encode()
    return {padded[at : at + letters] for at in range(len(padded) - letters + 1)}


def jaccard(one: str, other: str) -> float:
    return len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))


def test_the_share_of_equal_values_is_jaccard_but_for_chance():
    """As often above as below, and as far off as draws of that many are: sqrt(s (1 - s) / values)."""
    one = unlike(600)
    other = [
        near_equal(text, 1, edits, seed)[0] for seed, (text, edits) in enumerate(zip(one, [1, 3, 8] * 200, strict=True))
    ]
    minhash = MinHash(bands=64)
    estimated = (minhash.signatures(pa.array(one)) == minhash.signatures(pa.array(other))).mean(1)
    counted = np.array([jaccard(*pair) for pair in zip(one, other, strict=True)])
    assert counted.min() < 0.4 < 0.9 < counted.max()
    expected = np.sqrt((counted * (1 - counted) / 256).mean())
    assert np.sqrt(((estimated - counted) ** 2).mean()) == pytest.approx(expected, rel=0.1)
    assert (estimated - counted).mean() == pytest.approx(0, abs=3 * expected / np.sqrt(len(one)))


@pytest.mark.parametrize("text", ["", "a", "abc", "塔", "a b", "a text of several words"])
def test_a_text_has_the_same_signature_wherever_it_stands(text):
    others = unlike(5000)
    alone = MinHash().signatures(pa.array([text]))[0]
    among = MinHash().signatures(pa.array([*others, text, "x"]).slice(3))
    assert (among[-2] == alone).all()
    assert not (among[:-2] == alone).all(1).any()


def test_near_texts_are_paired_and_no_others():
    texts = unlike(3000)
    near = [near_equal(text, 1, 1, seed)[0] for seed, text in enumerate(texts[:300])]
    minhash = MinHash()
    pairs, shares = minhash.pairs(minhash.signatures(pa.array(texts + near)), at_least=0.5)
    truth = {(at, 3000 + at) for at in range(300) if jaccard(texts[at], near[at]) >= 0.75}
    assert len(truth) > 100
    assert len(truth & set(map(tuple, pairs.tolist()))) >= 0.97 * len(truth)
    unlike_pairs = [pair for pair in pairs.tolist() if jaccard(*((texts + near)[at] for at in pair)) < 0.3]
    assert len(unlike_pairs) <= 0.01 * len(pairs)  # 48 values estimate a share to within 0.07
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (shares >= 0.5).all()


def test_many_copies_are_all_paired_with_the_first():
    texts = pa.array(["the very same"] * 5000)
    minhash = MinHash()
    pairs, shares = minhash.pairs(minhash.signatures(texts), at_least=1)
    assert pairs.tolist() == [[0, at] for at in range(1, 5000)]
    assert (shares == 1).all()


def test_texts_are_connected_over_any_number_of_pairs():
    chain = np.array([[at, at + 1] for at in range(99)])[np.random.default_rng(0).permutation(99)]
    assert connected(chain, 102).tolist() == [0] * 100 + [100, 101]
    assert connected(np.array([[3, 4], [1, 4], [0, 2]]), 5).tolist() == [0, 1, 0, 1, 1]


def test_nothing_gives_nothing():
    signatures = MinHash().signatures(pa.array([], pa.string()))
    pairs, shares = MinHash().pairs(signatures, 0.5)
    assert (signatures.shape, pairs.shape, shares.shape) == ((0, 48), (0, 2), (0,))
    assert connected(pairs, 0).tolist() == []


@pytest.mark.parametrize("letters", [0, 9])
def test_a_shingle_fits_a_number(letters):
    with pytest.raises(ValueError, match="1 to 8"):
        MinHash(letters=letters)
