"""Triton model: text to token ids, by the package's own tokenizer.json, which also truncates and pads.

Axes: N texts, L tokens.
"""

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from tokenizers import Tokenizer


class TritonPythonModel:
    """Takes `text` UTF-8 [N 1], gives `input_ids` int64 [N L]."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the package's tokenizer.json."""
        path = Path(args["model_repository"], args["model_version"], "tokenizer.json")
        self.tokenizer = Tokenizer.from_file(str(path))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself: a broken text fails its own request only."""
        return [self.answer(pb.get_input_tensor_by_name(request, "text").as_numpy().ravel()) for request in requests]

    def answer(self, texts: np.ndarray) -> Any:
        """Return the ids, or an error that says which text is broken."""
        rows = []
        for position, text in enumerate(texts):
            try:
                rows.append(self.tokenizer.encode(text.decode("utf-8")).ids)
            except UnicodeDecodeError:
                return refuse(f"text {position}: the bytes are not UTF-8")
            except Exception as err:  # never a traceback to the client
                return refuse(f"text {position}: cannot be tokenized ({type(err).__name__})")
        return pb.InferenceResponse([pb.Tensor("input_ids", np.asarray(rows, np.int64))])


def refuse(message: str) -> Any:
    """Return a response with the client's fault."""
    return pb.InferenceResponse(error=pb.TritonError(message, pb.TritonError.INVALID_ARG))
