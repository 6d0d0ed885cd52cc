"""A plain FastAPI server on a package: what one would write in an afternoon. `uvicorn --factory fastapi_side:app`, PACKAGE in the environment.

It runs the same ONNX graphs, transforms and tokenizer, one request at a time in FastAPI's threads, without limits, versions or batches.
"""

import base64
import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

from components.serving.encoders import PackageEncoders
from components.serving.package import Package


class Asked(BaseModel):
    """A list of texts, or of pictures in base64."""

    texts: list[str] = []
    images: list[str] = []


def app() -> FastAPI:
    """Return the application."""
    encoders = PackageEncoders(Package.verify(Path(os.environ["PACKAGE"])), threads=1)
    served = FastAPI()

    @served.get("/ping")
    def ping() -> dict[str, bool]:
        return {"ok": True}

    @served.post("/embed")
    def embed(asked: Asked) -> dict[str, list[list[float]]]:
        if asked.texts:
            return {"rows": encoders.embed_text(asked.texts).tolist()}
        return {"rows": encoders.embed_image([base64.b64decode(one) for one in asked.images]).tolist()}

    return served
