"""Write transformers/: tiny models as transformers saves them, and the features that it computes with them.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install torch 'transformers==5.24.0' && /tmp/peer/bin/python tests/golden/make_transformers.py

transformers is no dependency of ours, so what it says is kept here. Weights are random, gains and biases too, so that none
may be left out. Rows are as the family's tokenizer makes them: CLIP's padding is what its end token is, SigLIP's is read.
Axes: B = 3 rows, L = 8 tokens, S = 16 pixels.
"""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import ChineseCLIPConfig, ChineseCLIPModel, CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

FOLDER = Path(__file__).with_name("transformers")
CONTEXT, SIZE = 8, 16
TEXTS = ("a red square", "two green circles beside a blue square on grey", "circle")
WORDS = ("a red square beside two green circles", "a blue circle on a grey square", "one circle, two squares")
TEXT = {"hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": SIZE, "patch_size": 8}


def main() -> None:
    """Build, ask, write."""
    for name, model in models_by_name().items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(5)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        model.logit_scale.data.fill_(2.5)
        model.eval().save_pretrained(folder)
        tokenizer(siglip=name == "siglip").save(str(folder / "tokenizer.json"))
        mean, std = (
            ([0.5] * 3, [0.5] * 3)
            if name == "siglip"
            else ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
        )
        processed = {"image_mean": mean, "image_std": std, "size": {"shortest_edge": SIZE}, "resample": 3}
        (folder / "preprocessor_config.json").write_text(json.dumps(processed, indent=2) + "\n")
        save_file(features(model, name, mean, std), folder / "features.safetensors")
        (folder / "generation_config.json").unlink(missing_ok=True)
    (FOLDER / "peer.json").write_text(
        json.dumps({"transformers": transformers.__version__, "torch": torch.__version__}) + "\n"
    )


def models_by_name() -> dict[str, Any]:
    """Return a model a family; CLIP with both of its activations."""
    size = tokenizer(siglip=False).get_vocab_size()
    ends = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    words = {**TEXT, "vocab_size": size, "max_position_embeddings": CONTEXT}
    clip = {
        f"clip_{act}": CLIPModel(
            CLIPConfig(
                text_config={**words, **ends, "hidden_act": act},
                vision_config={**VISION, "hidden_act": act},
                projection_dim=12,
            )
        )
        for act in ("quick_gelu", "gelu")
    }
    spoken = {**TEXT, "vocab_size": tokenizer(siglip=True).get_vocab_size(), "max_position_embeddings": CONTEXT}
    siglip = SiglipModel(SiglipConfig(text_config=spoken, vision_config=VISION))
    bert = {**words, "type_vocab_size": 2}
    chinese = ChineseCLIPModel(ChineseCLIPConfig(text_config=bert, vision_config=VISION, projection_dim=12))
    return {**clip, "siglip": siglip, "chinese_clip": chinese}


def tokenizer(siglip: bool) -> Tokenizer:
    """Return a small tokenizer as the family's is: CLIP's ends in start and end, SigLIP's has its end as id 1 and no start."""
    special = ["<unk>", "</s>"] if siglip else []
    made = Tokenizer(models.BPE(unk_token="<unk>" if siglip else "!"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(
        WORDS, trainers.BpeTrainer(vocab_size=60, special_tokens=[*special, "!"], show_progress=False)
    )
    if siglip:
        made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        return made
    made.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    start, end = (made.token_to_id(f"<|{word}oftext|>") for word in ("start", "end"))
    made.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)]
    )
    return made


def features(model: Any, name: str, mean: list[float], std: list[float]) -> dict[str, torch.Tensor]:
    """Return pixels in [0, 1], ids, mask, and what the peer makes of them; texts of rows as its own tokenizer pads them."""
    pixels = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7))
    rows = tokenizer(siglip=name == "siglip")
    rows.enable_truncation(CONTEXT)
    rows.enable_padding(pad_id={"siglip": 1, "chinese_clip": 0}.get(name, rows.get_vocab_size() - 1), length=CONTEXT)
    encoded = rows.encode_batch(list(TEXTS))
    ids, mask = (torch.tensor([getattr(row, part) for row in encoded]) for part in ("ids", "attention_mask"))
    shown = (pixels - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    with torch.no_grad():
        image = model.get_image_features(pixel_values=shown)
        text = model.get_text_features(input_ids=ids, **({} if name == "siglip" else {"attention_mask": mask}))
    image, text = (getattr(side, "pooler_output", side) for side in (image, text))
    return {"pixels": pixels, "ids": ids, "mask": mask, "image": image.contiguous(), "text": text.contiguous()}


if __name__ == "__main__":
    main()
