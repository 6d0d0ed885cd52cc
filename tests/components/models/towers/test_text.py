"""The text tower: what must not change its answer does not, and its attention is torch's (seed 56, property 6).

Axes: N texts, L tokens, F features, H heads.
"""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from components.contracts.batch import Images, Texts
from components.contracts.errors import CapabilityError, ConfigError
from components.models.towers.text import TextTower, attend, is_closed, mask_of

ROWS, CONTEXT, VOCABULARY = 4, 12, 50
LENGTHS = torch.tensor([[2], [5], [9], [12]])
KINDS = [(causal, pool) for causal in (False, True) for pool in ("eos", "mean", "max")] + [(False, "cls")]
ROUNDING = {"rtol": 1e-4, "atol": 1e-6}  # softmax and sums over another number of columns


def tower(causal: bool = False, pool: str = "mean", **numbers) -> TextTower:
    torch.manual_seed(0)
    return TextTower(VOCABULARY, CONTEXT, width=16, depth=2, heads=4, causal=causal, pool=pool, **numbers).eval()


def vectors(encoder: TextTower, rows: Texts) -> torch.Tensor:
    return encoder(rows).features


def texts(seed: int = 0, context: int = CONTEXT) -> Texts:
    """Rows of 2, 5, 9 and 12 real tokens."""
    draw = torch.Generator().manual_seed(seed)
    mask = torch.arange(context)[None] < LENGTHS
    ids = torch.randint(1, VOCABULARY, (ROWS, context), generator=draw)
    return Texts(ids=ids * mask, mask=mask)


def test_a_vector_a_text():
    assert tower()(texts()).features.shape == (ROWS, 16)
    assert tower().width == 16


@pytest.mark.parametrize(("causal", "pool"), KINDS)
@torch.no_grad()
def test_ids_under_the_padding_change_nothing(causal, pool):
    rows = texts()
    other = Texts(ids=torch.where(rows.mask, rows.ids, 33), mask=rows.mask)
    torch.testing.assert_close(vectors(tower(causal, pool), other), vectors(tower(causal, pool), rows), **ROUNDING)


@pytest.mark.parametrize(("causal", "pool"), KINDS)
@torch.no_grad()
def test_more_padding_changes_nothing(causal, pool):
    rows = texts()
    for row, length in enumerate(LENGTHS.flatten().tolist()):
        alone = Texts(ids=rows.ids[row : row + 1, :length], mask=rows.mask[row : row + 1, :length])
        encoder = tower(causal, pool)
        torch.testing.assert_close(vectors(encoder, alone)[0], vectors(encoder, rows)[row], **ROUNDING)


@torch.no_grad()
def test_real_tokens_after_the_end_token_change_nothing_when_causal_and_read_there():
    """The end token is the last real one; whatever follows, masked or not, is not seen from there."""
    rows, encoder = texts(), tower(causal=True, pool="eos")
    seen_further = torch.arange(CONTEXT)[None] < LENGTHS + 2

    def at_the_end(mask: torch.Tensor) -> torch.Tensor:
        tokens = encoder.embedding(torch.where(rows.mask, rows.ids, 7)) + encoder.position
        for block in encoder.blocks:
            tokens = block(tokens, encoder.visible(mask))
        return encoder.norm(tokens)[torch.arange(ROWS), LENGTHS.flatten() - 1]

    hidden = [at_the_end(rows.mask), at_the_end(seen_further)]
    torch.testing.assert_close(hidden[1], hidden[0], **ROUNDING)
    torch.testing.assert_close(hidden[0], vectors(encoder, rows), **ROUNDING)


@pytest.mark.parametrize(("causal", "pool"), KINDS)
@torch.no_grad()
def test_every_real_token_counts(causal, pool):
    rows, encoder = texts(), tower(causal, pool)
    for place in range(9):  # the third row has nine
        ids = rows.ids.clone()
        ids[2, place] = (ids[2, place] + 1) % VOCABULARY or 1
        changed = vectors(encoder, Texts(ids=ids, mask=rows.mask))
        assert not torch.allclose(changed[2], vectors(encoder, rows)[2], atol=1e-6)


@torch.no_grad()
def test_what_comes_later_is_seen_only_when_not_causal():
    rows = texts()
    ids = rows.ids.clone()
    ids[3, -1] = (ids[3, -1] + 1) % VOCABULARY or 1
    for causal in (True, False):
        encoder = tower(causal)
        first = [
            encoder.blocks[0](encoder.embedding(given) + encoder.position, encoder.visible(rows.mask))[3, 0]
            for given in (rows.ids, ids)
        ]
        assert torch.equal(*first) == causal


@torch.no_grad()
def test_the_order_of_the_tokens_counts():
    rows, encoder = texts(), tower()
    turned = Texts(ids=rows.ids[3:].flip(1), mask=rows.mask[3:])
    assert not torch.allclose(vectors(encoder, turned), vectors(encoder, rows)[3:], atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_gradients_are_torchs(causal):
    draw = torch.Generator().manual_seed(2)
    seen = tower(causal).visible(texts().mask)
    ours = [torch.randn(ROWS, 4, CONTEXT, 8, generator=draw, requires_grad=True) for _ in "qkv"]
    theirs = [value.detach().clone().requires_grad_() for value in ours]
    weight = torch.randn(ROWS, 4, CONTEXT, 8, generator=draw)
    mine, peer = attend(*ours, seen), scaled_dot_product_attention(*theirs, attn_mask=seen)
    torch.testing.assert_close(mine, peer, rtol=1e-5, atol=1e-6)
    (mine * weight).sum().backward()
    (peer * weight).sum().backward()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_attention_is_finite_in_bf16_where_a_row_sees_one_token_only():
    query, key, value = torch.randn(3, 1, 1, 3, 4, generator=torch.Generator().manual_seed(0)).bfloat16() * 100
    seen = torch.tensor([[[[True, False, False]] * 3]])
    torch.testing.assert_close(attend(query, key, value, seen), value[:, :, :1].expand(-1, -1, 3, -1))


def test_dropout_draws_in_training_only():
    encoder, rows = tower(dropout=0.5), texts()
    assert torch.equal(vectors(encoder, rows), vectors(encoder, rows))
    encoder.train()
    assert not torch.equal(vectors(encoder, rows), vectors(encoder, rows))


def test_gradients_reach_every_parameter():
    encoder = tower()
    vectors(encoder, texts()).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in encoder.parameters())


def test_the_exported_mask_is_the_tokenizers(vocabulary):
    odd = ["", " ", "a red square", "a <pad> square <end>", "<start>", "\N{PARTY POPPER}", "red " * 40]
    rows = vocabulary(odd)
    assert torch.equal(mask_of(rows.ids), rows.mask)


def test_the_exported_mask_hides_padding_after_the_last_token_alone():
    ids = torch.tensor([[7, 0, 3, 9, 0, 0], [7, 9, 0, 0, 0, 0], [7, 1, 0, 0, 2, 9], [0, 0, 0, 0, 0, 0]])
    assert mask_of(ids).sum(1).tolist() == [4, 2, 6, 0]
    assert torch.equal(mask_of(ids), mask_of(ids).sum(1, keepdim=True) > torch.arange(6))


def test_of_texts_that_end_in_what_they_are_padded_with_the_first_of_these_is_real():
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6, [True] + [False] * 5])
    rows = Texts(ids=torch.tensor([[7, 1, 3, 1, 1, 1], [7, 2, 3, 4, 5, 1], [1, 1, 1, 1, 1, 1]]), mask=mask)
    assert is_closed(rows, pad=1)
    assert torch.equal(mask_of(rows.ids, pad=1, closed=True), mask)
    assert not is_closed(rows, pad=0)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="width 10 does not split over 4 heads"):
        TextTower(VOCABULARY, CONTEXT, width=10, heads=4)


def test_a_causal_tower_is_not_read_at_its_first_token():
    with pytest.raises(ConfigError, match="pool is cls, the first token, which in a causal tower sees nothing"):
        tower(causal=True, pool="cls")


def test_rows_longer_than_the_places_are_refused():
    with pytest.raises(ConfigError, match="a row has 13 tokens, and this text tower has places for 12"):
        tower()(Texts(ids=torch.ones(1, 13).long(), mask=torch.ones(1, 13).bool()))


@torch.no_grad()
def test_an_id_inside_that_looks_like_padding_does_not_move_the_end():
    rows, encoder = texts(), tower(causal=True, pool="eos")
    mask = rows.mask.clone()
    mask[2, 4] = False  # CLIP's vocabulary has "!" as id 0
    last = encoder(Texts(ids=rows.ids, mask=mask), ("tokens",)).tokens
    torch.testing.assert_close(vectors(encoder, Texts(ids=rows.ids, mask=mask))[2], last[2, 8])


@torch.no_grad()
def test_padding_is_read_where_a_model_was_trained_to():
    rows, encoder = texts(), tower(pool="last", masked=False)
    whole = Texts(ids=rows.ids, mask=torch.ones_like(rows.mask))
    torch.testing.assert_close(vectors(encoder, rows), vectors(encoder, whole))
    assert not torch.allclose(vectors(tower(pool="last"), rows), vectors(encoder, rows), atol=1e-5)


@pytest.mark.parametrize("norms", ["before", "after"])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("causal", "pool"), [*KINDS, (False, "last"), (True, "last")])
def test_a_vector_that_one_token_gives_is_the_same_without_the_others(causal, pool, masked, norms):
    rows, encoder = texts(), tower(causal, pool, masked=masked, norms=norms)
    for weight in encoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)  # as new, looking around moves a vector by less than rounding
    with torch.inference_mode():
        whole, alone = encoder(rows, ("tokens",)), encoder(rows)
    assert (alone.tokens is None) == (pool in ("eos", "cls", "last"))
    torch.testing.assert_close(alone.features, whole.features, rtol=1e-5, atol=1e-6)
    assert torch.equal(alone.pooled, alone.features)
    assert torch.equal(alone.mask, whole.mask)


def test_the_others_are_left_out_only_where_nobody_asks_for_them():
    rows, encoder = texts(), tower(causal=True, pool="eos")
    counted: list[int] = []
    encoder.blocks[-1].feed.register_forward_hook(lambda part, given, gave: counted.append(gave.shape[1]))
    with torch.inference_mode():
        encoder(rows)
        encoder(rows, ("block0",))
        encoder(rows, inject=lambda number, tokens: tokens)
    with torch.no_grad():
        encoder(rows)
    encoder.train()
    with torch.inference_mode():
        encoder(rows)
    assert counted == [1, CONTEXT, CONTEXT, CONTEXT, CONTEXT]


@pytest.mark.parametrize("norms", ["before", "after"])
@torch.no_grad()
def test_hooks_are_what_the_walk_gives(norms):
    rows, encoder = texts(), tower(norms=norms)
    seen = encoder(rows, ("tokens", "block0", "attention1"))
    tokens, visible = encoder.stem(rows), encoder.visible(rows.mask)
    assert torch.equal(seen.hooks["block0"], first := encoder.blocks[0](tokens, visible))
    assert set(seen.hooks) == {"block0", "attention1"}
    assert torch.equal(encoder.finish(encoder.blocks[1](first, visible), rows.mask).features, seen.features)
    assert seen.hooks["attention1"].shape == (ROWS, 4, CONTEXT, CONTEXT)
    torch.testing.assert_close(seen.hooks["attention1"].sum(-1), torch.ones(ROWS, 4, CONTEXT))
    assert not seen.hooks["attention1"][0, :, :, 2:].any()  # padding is not looked at
    assert torch.equal(seen.features, vectors(encoder, rows))
    assert torch.equal(seen.mask, rows.mask)


def test_a_hook_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        CapabilityError, match=r"has no block2 to give.*There is tokens, block0 to block1, attention0 to"
    ):
        tower()(texts(), ("block2",))


def test_pictures_are_not_texts():
    with pytest.raises(AssertionError, match="handed images"):
        tower()(Images(pixels=torch.zeros(1, 3, 8, 8)))
