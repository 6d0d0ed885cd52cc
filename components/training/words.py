"""Whether a text tower knows every token it will be shown, before the first step: torch's own words are of an index, or none."""

from collections.abc import Collection

from torch import nn

from components.contracts.errors import ConfigError
from components.data.rows.captions import Captions
from components.models.towers.text import TextTower


def check_words(method: nn.Module, captions: Collection[Captions]) -> None:
    """Raise ConfigError for a tower with fewer rows in its table, or fewer positions, than the captions have."""
    most = max(int(one.tokens.max()) for one in captions) + 1
    longest = max(int(one.begin.diff().max()) for one in captions)
    for name, part in method.named_modules():
        if not isinstance(part, TextTower):
            continue
        rows, positions = part.embedding.num_embeddings, len(part.position)
        if most > rows:
            raise ConfigError(
                f"{name} embeds {rows} tokens, but the captions have ids up to {most - 1}: its vocabulary is of another size "
                f"than the tokenizer's. Give the tower the tokenizer's size, or train with the tokenizer it was made with."
            )
        if longest > positions:
            raise ConfigError(
                f"{name} reads {positions} tokens, but the longest caption has {longest}. Set training.context in the recipe "
                "to what the tower reads."
            )
