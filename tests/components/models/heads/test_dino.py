"""DINO's head: lightly's with the same weights, of which only directions count where they meet."""

import json
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.models.heads.dino import DinoHead

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "dino.json").read_text())["head"]


def test_value_and_gradients_are_those_of_lightlys_head():
    head = DinoHead(**GOLDEN["sizes"])
    ours = {
        name.replace("last_layer.weight_v", "prototypes.weight"): torch.tensor(value)
        for name, value in GOLDEN["weights"].items()
    }
    head.load_state_dict(ours)
    rows = torch.tensor(GOLDEN["rows"], requires_grad=True)
    out = head(rows)
    torch.testing.assert_close(out, torch.tensor(GOLDEN["out"]), rtol=1e-5, atol=1e-6)
    out.backward(torch.tensor(GOLDEN["pull"]))
    got = {name: weight.grad for name, weight in head.named_parameters()} | {"rows": rows.grad}
    for name, gradient in GOLDEN["gradients"].items():
        ours = got.pop(name.replace("last_layer.weight_v", "prototypes.weight"))
        torch.testing.assert_close(ours, torch.tensor(gradient), rtol=1e-4, atol=1e-6)
    assert not got


def test_it_gives_cosines():
    head = DinoHead(4, hidden=8, bottleneck=3, prototypes=5)
    with torch.no_grad():
        head.prototypes.weight *= 7
    found = head(torch.randn(6, 4) * 100)
    assert found.shape == (6, 5)
    assert found.abs().max() <= 1 + 1e-6


def test_still_prototypes_have_a_gradient_of_0_and_the_layers_their_own():
    head, rows = DinoHead(4, hidden=8, bottleneck=3, prototypes=5), torch.randn(6, 4)
    assert torch.equal(head(rows, still=True), head(rows))
    head(rows, still=True).square().sum().backward()
    assert head.prototypes.weight.grad is not None
    assert not head.prototypes.weight.grad.any()
    assert all(weight.grad.any() for weight in head.layers.parameters())


def test_a_head_without_width_is_refused():
    with pytest.raises(ConfigError, match="0 in its bottleneck"):
        DinoHead(4, bottleneck=0)
