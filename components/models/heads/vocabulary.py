"""Which token of the vocabulary stands here: scores by the table that the text tower reads its tokens from.

Source: Devlin et al. 2019, arXiv:1810.04805 (the masked-LM head: a dense layer, its bend, a norm, the tied table and a bias).
Differs: nothing. Golden: transformers BertLMPredictionHead, value and gradient, float32, rtol 1e-5.
Axes: P places, F width of the text tower, V vocabulary.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, linear


class VocabularyHead(nn.Module):
    """Keeps all but the table, which stays the tower's.

    Args:
        width: F.
        vocabulary: V.
        eps: what the norm adds to the variance.
    """

    def __init__(self, width: int, vocabulary: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, tokens: Float[Tensor, "P F"], table: Float[Tensor, "V F"]) -> Float[Tensor, "P V"]:
        """Return logits.

        Args:
            tokens: what the tower gives at these places.
            table: the tower's embedding of tokens.
        """
        return linear(self.norm(gelu(self.dense(tokens))), table, self.bias)
