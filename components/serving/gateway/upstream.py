"""One Triton server as the gateway asks it: the same questions as TritonClient's, on one event loop, joined into batches; or its small encoders, run here.

Axes: N samples, D embedding width.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import aiohttp
import numpy as np
from tritonclient.http import InferInput, InferResult
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from components.contracts.errors import TransientError
from components.serving.gateway.batcher import Batcher
from components.serving.gateway.in_process import InProcess
from components.serving.gateway.metrics import BATCH
from components.serving.gateway.opened import Opened
from components.serving.health import TEXT, a_picture
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

LOG = logging.getLogger("diptych.gateway")
CONNECTIONS = 16
ALIKE = 1e-3  # that a number of a vector may differ by, whoever makes it
PLAIN = {
    "Accept-Encoding": "identity"
}  # aiohttp would ask for gzip, and Triton pack each vector by it, for the way to a neighbour


class Upstream:
    """A connection to one server. Make it on the event loop that asks.

    Args:
        address: host:port of Triton's HTTP endpoint.
        repository: what it serves, where small encoders of it are to be run here; None where all is asked of the server.
    """

    def __init__(self, address: str, repository: Path | None = None) -> None:
        self.address = address
        self._http = InferenceServerClient(address, conn_limit=CONNECTIONS)
        self._image = Batcher[bytes](lambda samples: self._embed("embed_image", "image", samples), MAX_BATCH)
        self._text = Batcher[bytes](lambda samples: self._embed("embed_text", "text", samples), MAX_BATCH)
        self._here = None if repository is None else Opened(partial(self._open, repository))

    async def embed_image(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [N D] of encoded pictures; RequestRefused names a broken one."""
        here = await self._here.get() if self._here else None
        return await (self._image.rows(list(images)) if here is None else here.embed_image(images))

    async def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [N D] of texts."""
        here = await self._here.get() if self._here else None
        return await (self._text.rows([bytes_of(one) for one in texts]) if here is None else here.embed_text(texts))

    async def sample(self) -> np.ndarray:
        """Return float32 [2 D] of a text and a picture, by the server; raises what it does."""
        return np.concatenate([await self._text.rows([bytes_of(TEXT)]), await self._image.rows([a_picture()])])

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

    async def _open(self, repository: Path) -> InProcess | None:
        """Return the encoders that are run here; None, and a line in the log, where they are not what the server has."""
        theirs = await self.sample()
        try:
            here = await asyncio.to_thread(InProcess.open, repository)
            if here is None:
                return None
            ours = np.concatenate([await here.embed_text([TEXT]), await here.embed_image([a_picture()])])
            if ours.shape == theirs.shape and np.allclose(ours, theirs, atol=ALIKE):
                return here
            here.close()
            why = "they give other vectors"
        except Exception as err:  # whatever is wrong with these files, the server has answered
            why = f"{type(err).__name__}: {err}"
        LOG.warning("The encoders of %s are asked of its server, and not run here: %s", self.address, why)
        return None

    async def _embed(self, model: str, name: str, samples: list[bytes]) -> np.ndarray:
        BATCH.labels(model).observe(len(samples))
        answer = await self._infer(model, [tensor_of(name, samples, (len(samples), 1))])
        rows: np.ndarray = answer.as_numpy(f"{name}_embeds")
        return rows

    async def _infer(self, model: str, inputs: list[InferInput]) -> InferResult:
        try:
            return await self._http.infer(model, inputs, headers=dict(PLAIN))
        except InferenceServerException as err:
            raise fault_of(err, model, self.address) from err
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as err:
            raise self._gone(err) from err

    def _gone(self, err: BaseException) -> TransientError:
        return TransientError(f"The server at {self.address} does not answer ({type(err).__name__}: {err}).")

    async def close(self) -> None:
        """Let go of the connections, and of what is run here."""
        if self._here is not None:
            self._here.close()
        await self._http.close()
