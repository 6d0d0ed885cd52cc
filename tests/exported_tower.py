"""A tower of pictures as ONNX, asked beside itself."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from components.contracts.batch import Images
from components.contracts.encoded import Tower


class _Alone(nn.Module):
    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.tower(Images(pixels=pixels)).features


def check_exported(tower: Tower, images: Images, folder: Path) -> None:
    """Fail where the tower, exported in evaluation with any number of rows, answers something else for one or two of the pictures."""
    path = folder / "tower.onnx"
    torch.onnx.export(
        _Alone(tower).eval(), (images.pixels,), path, opset_version=18, input_names=["pixels"], dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("rows")},),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for rows in (1, 2):
        (answered,) = session.run(None, {"pixels": images.pixels[:rows].numpy()})
        wanted = tower(Images(pixels=images.pixels[:rows])).features.detach().numpy()
        np.testing.assert_allclose(answered, wanted, rtol=1e-4, atol=1e-4)
