"""Write lora.json: what peft's LoRA gives of a linear map, value, gradients and the weight that it is merged into.

pip install --no-deps --target PEERS peft accelerate
PYTHONPATH=.:PEERS python -m tests.golden.make_lora
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

INPUTS, OUTPUTS, ROWS = 7, 5, 3


def case(seed: int, rank: int, alpha: float) -> dict[str, object]:
    """Return a map, a correction of it and rows, and what the peer makes of them; the loss is the sum of squares."""
    draw = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    whole = nn.Sequential(nn.Linear(INPUTS, OUTPUTS))
    given = {
        "weight": drawn(OUTPUTS, INPUTS),
        "bias": drawn(OUTPUTS),
        "down": drawn(rank, INPUTS),
        "up": drawn(OUTPUTS, rank),
    }
    whole[0].load_state_dict({name: given[name] for name in ("weight", "bias")})
    peer = get_peft_model(whole, LoraConfig(r=rank, lora_alpha=alpha, target_modules=["0"], lora_dropout=0.0))
    layer = peer.base_model.model[0]
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    at_start = up.abs().max().item()
    with torch.no_grad():
        down.copy_(given["down"])
        up.copy_(given["up"])
    rows = drawn(ROWS, INPUTS)
    value = peer(rows)
    value.square().sum().backward()
    gradients = {"down": down.grad.tolist(), "up": up.grad.tolist()}
    merged = peer.merge_and_unload()[0]
    return {
        "rank": rank, "alpha": alpha, "given": {name: one.tolist() for name, one in given.items()}, "rows": rows.tolist(), "value": value.tolist(),
        "gradients": gradients, "merged": merged.weight.tolist(), "up_at_start": at_start,
    }  # fmt: skip


def main() -> None:
    """Ask and write."""
    golden = {"peer": f"peft {version('peft')}", "cases": [case(0, rank=2, alpha=16), case(1, rank=4, alpha=4)]}
    Path(__file__).with_name("lora.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
