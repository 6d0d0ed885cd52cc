"""Triton model: a text to the pictures of the package's index that are nearest to it.

Exact search: one product of the memory-mapped index with the text's embedding, which embed_text computes. A filter leaves some of its rows.
The exporter lays inner_request.py and row_filter.py beside this file.
Axes: N pictures in the index, M of them that a filter leaves, D embedding width, K answers.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]
from inner_request import BadRequest, ask, encoded, fault, texts_of, top_k_of  # type: ignore[import-not-found]
from row_filter import BadFilter, RowFilter, filter_of  # type: ignore[import-not-found]

NAMED = {"keys": "key", "texts": "text", "sources": "source"}  # output -> column
NO_FILTERS = ("key", "text")


class TritonPythonModel:
    """Takes `text` [1] and optionally `top_k` [1] and `filter` [1], which is JSON: column -> values, one of which a picture must have.

    Gives `keys`, `texts`, `sources`, `scores` [K], best first.
    """

    def initialize(self, args: dict[str, str]) -> None:
        """Map the embeddings [N D] and read the columns that name them."""
        folder = Path(args["model_repository"], args["model_version"])
        self.embeds = np.load(folder / "index.npy", mmap_mode="r")
        columns = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.columns = {output: encoded(columns[column]) for output, column in NAMED.items()}
        self.filter = RowFilter({name: values for name, values in columns.items() if name not in NO_FILTERS})

    async def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [await self.answer(request) for request in requests]

    async def answer(self, request: Any) -> Any:
        """Return the nearest pictures, or an error that names no file of ours."""
        try:
            # Decoded here already, since the errors of embed_text come without their code.
            text, top_k = encoded(texts_of(request, "text")), top_k_of(request, "pictures")
            among = self.allowed(request)
            query = (await ask("embed_text", "text", text.reshape(1, 1), "text_embeds"))[0]
            best, scores = nearest(self.embeds, query, top_k, among)
        except Exception as err:
            return fault(err)
        named = [pb.Tensor(output, column[best]) for output, column in self.columns.items()]
        return pb.InferenceResponse([*named, pb.Tensor("scores", scores)])

    def allowed(self, request: Any) -> np.ndarray | None:
        """Return the rows int64 [M] that the filter leaves, None where there is none; BadRequest for one that cannot be used."""
        texts = texts_of(request, "filter")
        if texts is None:
            return None
        try:
            return self.filter.rows(filter_of(texts[0]))
        except BadFilter as err:
            raise BadRequest(str(err)) from err


def nearest(
    embeds: np.ndarray, query: np.ndarray, top_k: int, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and cosines float32 [K] of the nearest, best first; equal scores keep the index's order.

    Args:
        among: rows [M] to look among, in order; all unless given.
    """
    scores = (embeds @ query).astype(np.float32)
    rows = np.arange(len(scores)) if among is None else among
    if top_k < len(rows):
        rows = rows[np.sort(np.argpartition(-scores[rows], top_k)[:top_k])]
    best = rows[np.argsort(-scores[rows], kind="stable")]
    return best, scores[best]
