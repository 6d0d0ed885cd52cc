"""How one served model asks another, reads what a client sent, and answers with the fault of whoever it was.

The exporter copies this file, as it is, beside the models that search and classify.
"""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # type: ignore[import-not-found]

DEFAULT_TOP_K = 10
MAX_TOP_K = 1000


class BadRequest(ValueError):
    """The message is for the client."""


async def ask(model: str, source: str, array: np.ndarray, result: str) -> np.ndarray:
    """Return what another model makes of one input. Raises RuntimeError, with that model's message, when it does not."""
    request = pb.InferenceRequest(
        model_name=model, requested_output_names=[result], inputs=[pb.Tensor(source, array)]
    )  # fmt: skip
    response = await request.async_exec()
    if response.has_error():
        raise RuntimeError(response.error().message())
    answer: np.ndarray = pb.get_output_tensor_by_name(response, result).as_numpy()
    return answer


def texts_of(request: Any, name: str) -> list[str] | None:
    """Return the texts of an input, None when it was not sent; BadRequest when one is not UTF-8."""
    tensor = pb.get_input_tensor_by_name(request, name)
    if tensor is None:
        return None
    try:
        return [text.decode("utf-8") for text in tensor.as_numpy().ravel()]
    except UnicodeDecodeError as err:
        raise BadRequest(f"the {name} is not UTF-8" if name == "text" else f"the {name} are not UTF-8") from err


def top_k_of(request: Any, what: str) -> int:
    """Return how many answers are wanted, 10 unless the request says; BadRequest outside 1 to 1,000."""
    tensor = pb.get_input_tensor_by_name(request, "top_k")
    if tensor is None:
        return DEFAULT_TOP_K
    wanted = int(tensor.as_numpy().ravel()[0])
    if not 1 <= wanted <= MAX_TOP_K:
        raise BadRequest(f"top_k is {wanted}; ask for 1 to {MAX_TOP_K:,} {what}")
    return wanted


def fault(err: Exception) -> Any:
    """Return the response to a request that failed: never a traceback, and no file of ours is named."""
    if isinstance(err, BadRequest):
        return pb.InferenceResponse(error=pb.TritonError(str(err), pb.TritonError.INVALID_ARG))
    said = str(err) if isinstance(err, RuntimeError) else f"the request failed ({type(err).__name__})"
    return pb.InferenceResponse(error=pb.TritonError(said, pb.TritonError.INTERNAL))


def encoded(texts: Any) -> np.ndarray:
    """Return an array of bytes, [N], as tensors of strings are."""
    return np.array([text.encode("utf-8") for text in texts], dtype=object)
