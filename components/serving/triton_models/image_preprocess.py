"""Triton model: the bytes of pictures to pixels, by the very code and numbers that training used.

The exporter lays components/data/transforms/preprocess.py and the package's transforms.json beside this file.
Axes: N pictures, H = W = the model's size.
"""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from preprocess import BadImage, Preprocess, to_float  # type: ignore[import-not-found]

POSTSCRIPT = (
    b"%!PS",
    b"\xc5\xd0\xd3\xc6",
)  # how a file begins that Pillow would hand to Ghostscript, where that is installed


class TritonPythonModel:
    """Takes `image` bytes [N 1], gives `pixel_values` float32 [N 3 H W] in [0, 1]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the package's transforms.json."""
        path = Path(args["model_repository"], args["model_version"], "transforms.json")
        self.preprocess = Preprocess.from_json(path.read_text(encoding="utf-8"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself: a broken picture fails its own request only."""
        return [self.answer(pb.get_input_tensor_by_name(request, "image").as_numpy().ravel()) for request in requests]

    def answer(self, pictures: np.ndarray) -> Any:
        """Return the pixels, or an error that says which picture is broken and names no file of ours."""
        pixels = []
        for position, picture in enumerate(pictures):
            if picture.startswith(POSTSCRIPT):
                return refuse(f"picture {position}: PostScript is a program, and not a picture that is taken")
            try:
                pixels.append(to_float(self.preprocess(picture)))
            except BadImage as err:
                return refuse(f"picture {position}: {err}")
            except Exception as err:  # Pillow resizing hostile shapes; never a traceback to the client
                return refuse(f"picture {position}: cannot be brought to the model's size ({type(err).__name__})")
        return pb.InferenceResponse([pb.Tensor("pixel_values", np.stack(pixels))])


def refuse(message: str) -> Any:
    """Return a response with the client's fault."""
    return pb.InferenceResponse(error=pb.TritonError(message, pb.TritonError.INVALID_ARG))
