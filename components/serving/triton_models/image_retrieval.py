"""Triton model: a text to the pictures of the package's index that are nearest to it.

Exact search: one product of the memory-mapped index with the text's embedding, which embed_text computes.
Axes: N pictures in the index, D embedding width, K answers.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from inner_request import ask, encoded, fault, texts_of, top_k_of  # type: ignore[import-not-found]


class TritonPythonModel:
    """Takes `text` [1] and optionally `top_k` [1], gives `keys`, `texts`, `sources`, `scores` [K], best first."""

    def initialize(self, args: dict[str, str]) -> None:
        """Map the embeddings [N D] and read the columns that name them."""
        folder = Path(args["model_repository"], args["model_version"])
        self.embeds = np.load(folder / "index.npy", mmap_mode="r")
        columns = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.columns = {
            output: encoded(columns[column])
            for output, column in (("keys", "key"), ("texts", "text"), ("sources", "source"))
        }

    async def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [await self.answer(request) for request in requests]

    async def answer(self, request: Any) -> Any:
        """Return the nearest pictures, or an error that names no file of ours."""
        try:
            # Decoded here already, since the errors of embed_text come without their code.
            text, top_k = encoded(texts_of(request, "text")), top_k_of(request, "pictures")
            query = (await ask("embed_text", "text", text.reshape(1, 1), "text_embeds"))[0]
            best, scores = nearest(self.embeds, query, top_k)
        except Exception as err:
            return fault(err)
        named = [pb.Tensor(output, column[best]) for output, column in self.columns.items()]
        return pb.InferenceResponse([*named, pb.Tensor("scores", scores)])


def nearest(embeds: np.ndarray, query: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and cosines float32 [K] of the nearest, best first; equal scores keep the index's order."""
    scores = (embeds @ query).astype(np.float32)
    rows = np.arange(len(scores)) if top_k >= len(scores) else np.sort(np.argpartition(-scores, top_k)[:top_k])
    best = rows[np.argsort(-scores[rows], kind="stable")]
    return best, scores[best]
