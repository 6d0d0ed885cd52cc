"""The head over the vocabulary: BERT's, with the tower's own table."""

import json
from pathlib import Path

import torch

from components.models.heads.vocabulary import VocabularyHead

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "vocabulary_head.json").read_text())


def test_value_and_gradients_are_those_of_berts_head():
    weights = {name: torch.tensor(value) for name, value in GOLDEN["weights"].items()}
    table, tokens = weights.pop("table").requires_grad_(), torch.tensor(GOLDEN["tokens"]).requires_grad_()
    head = VocabularyHead(width=table.shape[1], vocabulary=table.shape[0])
    head.load_state_dict(weights)
    logits = head(tokens, table)
    torch.testing.assert_close(logits, torch.tensor(GOLDEN["logits"]), rtol=1e-5, atol=1e-6)
    (logits * torch.tensor(GOLDEN["weight"])).sum().backward()
    got = {name: one.grad for name, one in (("tokens", tokens), ("table", table), *head.named_parameters())}
    assert set(got) == set(GOLDEN["gradients"])
    for name, gradient in GOLDEN["gradients"].items():
        torch.testing.assert_close(got[name], torch.tensor(gradient), rtol=1e-5, atol=1e-5)
