"""Tokens that are looked through several times, each time asked by what is known already: progressive attention.

Source: Pan et al. 2023, jaychempan/PIR, and arXiv:2405.10160 (PriorCLIP, seed 44), both of its encoders: for pictures a prior asks, for texts the
tokens as they were before. Differs: nothing.
Axes: N rows, L tokens, F features.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from components.models.blocks.cross import CrossBlock


class ProgressiveAttention(nn.Module):
    """Rounds of self-attention, after each of which every token hears what a query found.

    Args:
        width: F.
        rounds: how many, each with weights of its own.
        heads: of the attention.
        dropout: probability, in training only.
    """

    def __init__(self, width: int, rounds: int, heads: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.among = nn.ModuleList(CrossBlock(width, heads, dropout) for _ in range(rounds))
        self.asked = nn.ModuleList(CrossBlock(width, heads, dropout) for _ in range(rounds))
        self.ask = nn.ModuleList(nn.Linear(width, width) for _ in range(rounds))
        self.head = nn.Linear(width, width) if rounds else None

    def forward(
        self,
        pooled: Float[Tensor, "N F"],
        tokens: Float[Tensor, "N L F"],
        prior: Float[Tensor, "N 1 F"] | None = None,
        mask: Bool[Tensor, "N L"] | None = None,
    ) -> Float[Tensor, "N F"]:
        """Return the vector, and what became of the first token on top of it; the vector itself without a round.

        Args:
            prior: what asks; None lets the tokens ask as they were before the round.
            mask: True where a token is real; None where all are.
        """
        if self.head is None:
            return pooled
        for among, asked, ask in zip(self.among, self.asked, self.ask, strict=True):
            query = ask(tokens if prior is None else prior)
            tokens = asked(among(tokens, tokens, mask), query, mask)
        return pooled + self.head(tokens[:, 0])
