"""Write softmax_queue.json: what lightly's NTXentLoss says of pairs against a queue of negatives (MoCo).

    python -m venv /tmp/lightly && /tmp/lightly/bin/pip install lightly torch
    /tmp/lightly/bin/python tests/golden/make_softmax_queue.py

Its negatives are the queue's alone, its one direction is from the first side to the second.
Axes: B = 6 pairs, D = 5 width, Q = 9 rows of the queue.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from lightly.loss.ntx_ent_loss import NTXentLoss
from torch.nn.functional import normalize

PAIRS, WIDTH, QUEUE, TEMPERATURE = 6, 5, 9, 0.1


def main() -> None:
    """Draw, ask the peer, write."""
    draw = torch.Generator().manual_seed(1911)
    image, text = (torch.randn(PAIRS, WIDTH, generator=draw).requires_grad_() for _ in range(2))
    queue = normalize(torch.randn(QUEUE, WIDTH, generator=draw), dim=-1)
    peer = NTXentLoss(temperature=TEMPERATURE, memory_bank_size=(QUEUE, WIDTH))
    peer.memory_bank.bank = queue.clone()
    peer.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    loss = peer(image, text)
    by_image, by_text = torch.autograd.grad(loss, (image, text))
    golden = {
        "peer": f"lightly {version('lightly')}, NTXentLoss", "torch": torch.__version__,
        "inputs": {"image": image.tolist(), "text": text.tolist(), "queue": queue.tolist(), "scale": 1 / TEMPERATURE},
        "loss": loss.item(), "gradients": {"image": by_image.tolist(), "text": by_text.tolist()},
    }  # fmt: skip
    text_ = json.dumps(golden).replace(', "', ',\n"')
    Path(__file__).with_name("softmax_queue.json").write_text(text_ + "\n")


if __name__ == "__main__":
    main()
