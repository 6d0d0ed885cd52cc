"""From the tokens of a row to one vector; padding never counts, except where a model was trained to read it.

Axes: N rows, L tokens, F features, S spans, D shared width.
"""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Pool = Literal["eos", "cls", "mean", "max", "last"]
"""`eos` the last real token, `cls` the first, `mean` and `max` over the real ones, `last` the last place, padding or not."""


def pooled(tokens: Float[Tensor, "N L F"], mask: Bool[Tensor, "N L"], pool: Pool) -> Float[Tensor, "N F"]:
    """Return one vector a row. Every row needs a real token."""
    if pool == "cls":
        return tokens[:, 0]
    if pool == "last":
        return tokens[:, -1]
    if pool == "max":
        return tokens.masked_fill(~mask[..., None], torch.finfo(tokens.dtype).min).amax(1)
    weight = mask.to(tokens.dtype)
    if pool == "eos":
        place = torch.arange(mask.shape[1], device=mask.device)
        weight = (place == _end(mask)[:, None]).to(tokens.dtype)
    return (tokens * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)


def place_of(mask: Bool[Tensor, "N L"], pool: Pool) -> Int[Tensor, "N"] | None:
    """Return the place of the one token that `pooled` reads of each row; None where it reads several."""
    if pool == "eos":
        return _end(mask)
    if pool in ("cls", "last"):
        return torch.full(mask.shape[:1], 0 if pool == "cls" else mask.shape[1] - 1, device=mask.device)
    return None


def _end(mask: Bool[Tensor, "N L"]) -> Int[Tensor, "N"]:
    """Return the place of the last real token: not how many there are, since an id inside may look like padding."""
    return (torch.arange(mask.shape[1], device=mask.device) * mask).amax(1)


def span_mean(
    tokens: Float[Tensor, "N L D"], row: Int[Tensor, " S"], first: Int[Tensor, " S"], last: Int[Tensor, " S"]
) -> Float[Tensor, "S D"]:
    """Return the mean of the tokens of each span, from `first` to before `last` of its row. Every span needs a token."""
    place = torch.arange(tokens.shape[1], device=tokens.device)
    inside = ((place >= first[:, None]) & (place < last[:, None])).to(tokens.dtype)
    return torch.einsum("sl,sld->sd", inside, tokens[row]) / inside.sum(1, keepdim=True)
