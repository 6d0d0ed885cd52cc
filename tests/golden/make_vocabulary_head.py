"""Write vocabulary_head.json: what transformers' masked-LM head of BERT says of drawn tokens, with drawn weights.

    python tests/golden/make_vocabulary_head.py        # needs transformers

Axes: P = 3 places, F = 4 width, V = 5 vocabulary.
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLMPredictionHead

PLACES, WIDTH, VOCABULARY = 3, 4, 5


def main() -> None:
    """Draw, ask the peer, write."""
    torch.manual_seed(52)
    config = BertConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, hidden_act="gelu", layer_norm_eps=1e-5)
    head = BertLMPredictionHead(config)
    named = {
        "dense.weight": head.transform.dense.weight, "dense.bias": head.transform.dense.bias,
        "norm.weight": head.transform.LayerNorm.weight, "norm.bias": head.transform.LayerNorm.bias,
        "bias": head.decoder.bias, "table": head.decoder.weight,
    }  # fmt: skip
    for parameter in named.values():
        torch.nn.init.normal_(parameter)
    tokens, weight = torch.randn(PLACES, WIDTH, requires_grad=True), torch.randn(PLACES, VOCABULARY)
    logits = head(tokens)
    gradients = torch.autograd.grad((logits * weight).sum(), [tokens, *named.values()])
    golden = {
        "peer": f"transformers {transformers.__version__}, BertLMPredictionHead", "torch": torch.__version__,
        "weights": {name: one.tolist() for name, one in named.items()}, "tokens": tokens.tolist(), "weight": weight.tolist(),
        "logits": logits.tolist(),
        "gradients": {name: one.tolist() for name, one in zip(["tokens", *named], gradients, strict=True)},
    }  # fmt: skip
    text = json.dumps(golden).replace(', "', ',\n"')  # a line a name: a change can be read
    Path(__file__).with_name("vocabulary_head.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
