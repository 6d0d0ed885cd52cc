"""open_clip's ResNet is timm's, with attention pooling: the same features, and weights that come back to the bit."""

import open_clip
import pytest
import timm
import torch

from components.contracts.batch import Images
from components.models.dual_encoder import DualEncoder
from components.models.interop.clip_resnet import NETS, theirs_of
from components.models.interop.open_clip import described, give, take
from components.recipes.section import build

VISION = {"layers": [3, 4, 6, 3], "width": 64, "patch_size": None, "image_size": 224}
TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}


@torch.no_grad()
def test_there_and_back():
    torch.manual_seed(0)
    peer = open_clip.CLIP(embed_dim=24, vision_cfg=dict(VISION), text_cfg=dict(TEXT), quick_gelu=True).eval()
    for value in peer.visual.state_dict().values():
        if value.ndim == 1 and value.is_floating_point():
            torch.nn.init.uniform_(value, 0.5, 1.0)  # statistics and gains differ from channel to channel
    theirs = peer.state_dict()
    config = {"embed_dim": 24, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT}
    model = build(described(config, theirs), DualEncoder).eval()
    model.load_state_dict(take(model, theirs))
    pixels = torch.rand(2, 3, 224, 224) * torch.tensor([1.0, 0.2]).view(2, 1, 1, 1)
    wanted = peer.encode_image((pixels - model.image.mean) / model.image.std)
    scale = wanted.abs().max()
    torch.testing.assert_close(
        model.encode_image(Images(pixels=pixels)).pooled / scale, wanted / scale, rtol=1e-5, atol=1e-5
    )
    assert not torch.allclose(wanted[0], wanted[1], atol=1e-3)
    said, weights = give(model, end=49)
    assert said["model_cfg"]["vision_cfg"] == VISION
    assert set(weights) == set(theirs)
    assert all(torch.equal(weights[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("blocks", "net"), [(said, name) for said, (name, _) in NETS.items()])
def test_every_size_has_the_tensors_of_open_clips(blocks, net):
    layers, width = blocks
    pixels = NETS[blocks][1]
    with torch.device("meta"):
        mine = timm.create_model(net, num_classes=0).state_dict()
        theirs = open_clip.modified_resnet.ModifiedResNet(layers, 24, width * 32 // 64, pixels, width).state_dict()
    projected = {"attnpool.c_proj.weight", "attnpool.c_proj.bias"}
    shapes = {theirs_of(name): value.shape for name, value in mine.items()}
    assert shapes == {name: value.shape for name, value in theirs.items() if name not in projected}
