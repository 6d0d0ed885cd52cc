"""The block: as torch's own parts compute it, one query for all, and padding that nobody finds."""

import pytest
import torch
from torch import nn

from components.contracts.errors import ConfigError
from components.models.blocks.cross import CrossBlock

N, L, F, HEADS = 3, 5, 8, 2


@pytest.fixture
def block() -> CrossBlock:
    torch.manual_seed(0)
    return CrossBlock(F, HEADS, dropout=0.2).eval()


@pytest.mark.parametrize("queries", [1, L])
def test_it_is_torchs_attention_with_norms_behind_the_sums(block, queries):
    torch.manual_seed(1)
    tokens, query = torch.randn(N, L, F), torch.randn(N, queries, F)
    mask = torch.arange(L) < torch.tensor([5, 2, 4])[:, None]
    peer = nn.MultiheadAttention(F, HEADS, batch_first=True).eval()
    with torch.no_grad():
        peer.in_proj_weight.copy_(torch.cat([block.query.weight, block.memory.weight]))
        peer.in_proj_bias.copy_(torch.cat([block.query.bias, block.memory.bias]))
    peer.out_proj.load_state_dict(block.out.state_dict())
    found, _ = peer(query, tokens, tokens, key_padding_mask=~mask)
    wanted = block.norm_attention(tokens + found)
    wanted = block.norm_feed(wanted + block.feed(wanted))
    torch.testing.assert_close(block(tokens, query, mask), wanted)


def test_padding_is_found_by_no_query(block):
    tokens, query = torch.randn(N, L, F), torch.randn(N, 1, F)
    mask = torch.arange(L) < 3
    other = torch.where(mask[:, None], tokens, 9.0)
    seen = [block(rows, query, mask.expand(N, L))[:, :3] for rows in (tokens, other)]
    torch.testing.assert_close(*seen)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="width 8 does not split over 3 heads"):
        CrossBlock(8, heads=3)
