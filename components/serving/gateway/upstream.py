"""One Triton server as the gateway asks it: the same questions as TritonClient's, on one event loop, joined into batches.

Axes: N samples, D embedding width.
"""

import asyncio
from collections.abc import Sequence

import aiohttp
import numpy as np
from tritonclient.http import InferInput, InferResult
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from components.contracts.errors import TransientError
from components.serving.gateway.batcher import Batcher
from components.serving.gateway.metrics import BATCH
from components.serving.triton_client import (
    CLASSIFIER,
    MAX_BATCH,
    Classified,
    bytes_of,
    classification_of,
    classified,
    fault_of,
    tensor_of,
)

CONNECTIONS = 16
PLAIN = "identity"  # aiohttp would ask for gzip, and Triton pack each vector by it, for the way to a neighbour


class Upstream:
    """A connection to one server. Make it on the event loop that asks.

    Args:
        address: host:port of Triton's HTTP endpoint.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = InferenceServerClient(address, conn_limit=CONNECTIONS)
        self._image = Batcher[bytes](lambda samples: self._embed("embed_image", "image", samples), MAX_BATCH)
        self._text = Batcher[bytes](lambda samples: self._embed("embed_text", "text", samples), MAX_BATCH)

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one."""
        return await self._image.rows(list(images))

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts."""
        return await self._text.rows([bytes_of(text) for text in texts])

    async def classify(
        self, image: bytes, labels: Sequence[str] | None, templates: Sequence[str] | None, top_k: int
    ) -> Classified:
        """Return the likeliest labels, as TritonClient.classify."""
        return classified(await self._infer(CLASSIFIER, classification_of(image, labels, templates, top_k)))

    async def width(self) -> int:
        """Return D; whoever is not there raises TransientError."""
        try:
            config = await self._http.get_model_config("embed_text")
        except InferenceServerException as err:
            raise fault_of(err, "embed_text", self.address) from err
        except (aiohttp.ClientError, OSError) as err:
            raise self._gone(err) from err
        return int(config["output"][0]["dims"][-1])

    async def _embed(self, model: str, name: str, samples: list[bytes]) -> np.ndarray:
        BATCH.labels(model).observe(len(samples))
        answer = await self._infer(model, [tensor_of(name, samples, (len(samples), 1))])
        rows: np.ndarray = answer.as_numpy(f"{name}_embeds")
        return rows

    async def _infer(self, model: str, inputs: list[InferInput]) -> InferResult:
        try:
            return await self._http.infer(model, inputs, headers={"Accept-Encoding": PLAIN})
        except InferenceServerException as err:
            raise fault_of(err, model, self.address) from err
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as err:
            raise self._gone(err) from err

    def _gone(self, err: BaseException) -> TransientError:
        return TransientError(f"The server at {self.address} does not answer ({type(err).__name__}: {err}).")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.close()
