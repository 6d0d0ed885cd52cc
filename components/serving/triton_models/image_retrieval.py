"""Triton model: a text to the pictures of the package's index that are nearest to it.

Exact search: one product of the memory-mapped index with the text's embedding, which embed_text computes.
Axes: N pictures in the index, D embedding width, K answers.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]

DEFAULT_TOP_K = 10
MAX_TOP_K = 1000


class BadRequest(ValueError):
    """The message is for the client."""


class TritonPythonModel:
    """Takes `text` [1] and optionally `top_k` [1], gives `keys`, `texts`, `sources`, `scores` [K], best first."""

    def initialize(self, args: dict[str, str]) -> None:
        """Map the embeddings [N D] and read the columns that name them."""
        folder = Path(args["model_repository"], args["model_version"])
        self.embeds = np.load(folder / "index.npy", mmap_mode="r")
        columns = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.columns = {
            output: np.array([value.encode() for value in columns[column]], dtype=object)
            for output, column in (("keys", "key"), ("texts", "text"), ("sources", "source"))
        }

    async def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by itself."""
        return [await self.answer(request) for request in requests]

    async def answer(self, request: Any) -> Any:
        """Return the nearest pictures, or an error that names no file of ours."""
        try:
            query = await embed(text_of(request))
            best, scores = nearest(self.embeds, query, top_k_of(request))
        except BadRequest as err:
            return pb.InferenceResponse(error=pb.TritonError(str(err), pb.TritonError.INVALID_ARG))
        except RuntimeError as err:
            return pb.InferenceResponse(error=pb.TritonError(str(err), pb.TritonError.INTERNAL))
        except Exception as err:  # never a traceback to the client
            error = pb.TritonError(f"the search failed ({type(err).__name__})", pb.TritonError.INTERNAL)
            return pb.InferenceResponse(error=error)
        named = [pb.Tensor(output, column[best]) for output, column in self.columns.items()]
        return pb.InferenceResponse([*named, pb.Tensor("scores", scores)])


def top_k_of(request: Any) -> int:
    """Return how many answers are wanted, 10 unless the request says; BadRequest outside 1 to 1,000."""
    tensor = pb.get_input_tensor_by_name(request, "top_k")
    if tensor is None:
        return DEFAULT_TOP_K
    wanted = int(tensor.as_numpy().ravel()[0])
    if not 1 <= wanted <= MAX_TOP_K:
        raise BadRequest(f"top_k is {wanted}; ask for 1 to {MAX_TOP_K:,} pictures")
    return wanted


def text_of(request: Any) -> np.ndarray:
    """Return the text, [1 1]; BadRequest when it is not UTF-8, since errors of embed_text come without their code."""
    text: np.ndarray = pb.get_input_tensor_by_name(request, "text").as_numpy().reshape(1, 1)
    try:
        text[0, 0].decode("utf-8")
    except UnicodeDecodeError as err:
        raise BadRequest("the text is not UTF-8") from err
    return text


async def embed(text: np.ndarray) -> np.ndarray:
    """Return float32 [D] of one text, by the ensemble that clients use too; RuntimeError when that is broken."""
    request = pb.InferenceRequest(
        model_name="embed_text",
        requested_output_names=["text_embeds"],
        inputs=[pb.Tensor("text", text)],
    )
    response = await request.async_exec()
    if response.has_error():
        raise RuntimeError(response.error().message())
    row: np.ndarray = pb.get_output_tensor_by_name(response, "text_embeds").as_numpy()[0]
    return row


def nearest(embeds: np.ndarray, query: np.ndarray, top_k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and cosines float32 [K] of the nearest, best first; equal scores keep the index's order."""
    scores = (embeds @ query).astype(np.float32)
    rows = np.arange(len(scores)) if top_k >= len(scores) else np.sort(np.argpartition(-scores, top_k)[:top_k])
    best = rows[np.argsort(-scores[rows], kind="stable")]
    return best, scores[best]
