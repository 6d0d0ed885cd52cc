"""Words that are hidden: how many, which, and what stands in their place (arXiv:1810.04805, section 3.1)."""

import pytest
import torch

from components.contracts.batch import Texts
from components.contracts.errors import ConfigError
from components.data.transforms.token_masker import TokenMasker, words_of

VOCABULARY, ROWS, LENGTH = 50, 2000, 9


@pytest.fixture(scope="module")
def texts() -> Texts:
    """Rows of 2 to 9 real tokens, start and end among them."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(LENGTH) < torch.randint(2, LENGTH + 1, (ROWS, 1), generator=draw)
    return Texts(ids=torch.randint(3, VOCABULARY, (ROWS, LENGTH), generator=draw) * mask, mask=mask)


def drawn(seed: int = 1) -> torch.Tensor:
    return torch.rand(3, ROWS, LENGTH, generator=torch.Generator().manual_seed(seed))


def test_words_are_what_stands_between_start_and_end(texts):
    for mask, words in zip(texts.mask.tolist(), words_of(texts.mask).tolist(), strict=True):
        real = sum(mask)
        assert words == [0 < place < real - 1 for place in range(LENGTH)]


def test_only_words_are_chosen_and_only_what_is_chosen_changes(texts):
    masked = TokenMasker(VOCABULARY)(texts, drawn())
    assert not (masked.chosen & ~words_of(texts.mask)).any()
    assert torch.equal(masked.texts.ids[~masked.chosen], texts.ids[~masked.chosen])
    assert torch.equal(masked.texts.mask, texts.mask)


def test_so_many_are_chosen_and_eight_in_ten_of_them_hidden(texts):
    masked = TokenMasker(VOCABULARY, share=0.15)(texts, drawn())
    old, new = (one.ids[masked.chosen] for one in (texts, masked.texts))
    words = int(words_of(texts.mask).sum())
    assert len(old) == pytest.approx(0.15 * words, rel=0.1)  # 7,000 words: four standard errors are 0.11 of it
    assert (new == 0).float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert (new == old).float().mean().item() == pytest.approx(0.1, abs=0.04)
    assert new.max() < VOCABULARY


def test_the_same_draws_hide_the_same_and_a_part_of_them_hides_a_part(texts):
    masker, half = TokenMasker(VOCABULARY), ROWS // 2
    whole = masker(texts, drawn())
    part = masker(Texts(ids=texts.ids[half:], mask=texts.mask[half:]), drawn()[:, half:])
    assert torch.equal(part.texts.ids, whole.texts.ids[half:])
    assert not torch.equal(masker(texts, drawn(2)).texts.ids, whole.texts.ids)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_of_nothing_or_all_is_refused(share):
    with pytest.raises(ConfigError, match=f"mask_share is {share}"):
        TokenMasker(VOCABULARY, share=share)
