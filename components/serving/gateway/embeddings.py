"""POST /v1/embeddings: texts and pictures to vectors, in the shapes that clients of OpenAI, vLLM and NV-CLIP send.

Sources: OpenAI's API reference, embeddings; vLLM's pooling models, "Embeddings API" with messages; NVIDIA NIM for NV-CLIP.
Differs: token ids are refused, and what would make other vectors than this model's of unit length; `encoding_format` also takes int8, binary and ubinary, as Mixedbread's API and sentence-transformers' quantize_embeddings name them.
Axes: N inputs, D embedding width, d the dimensions that were asked for.
"""

import asyncio
import base64
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from components.data.transforms.preprocess import MAX_PIXELS
from components.serving.errors import RequestRefused
from components.serving.gateway.answers import SPACE, Answer, answered, as_json
from components.serving.gateway.asking import asked
from components.serving.gateway.conversation import Message, sample_of
from components.serving.gateway.fleet import Version
from components.serving.gateway.pictures_in import EXAMPLE, is_data_uri, picture_of, pixels_of
from components.serving.gateway.refusal import Refusal, bad
from components.serving.gateway.texts_in import checked_text
from components.serving.gateway.tokens import used

MOST_INPUTS = 256
MOST_PIXELS = 2 * MAX_PIXELS  # of all pictures of a request: decoding them is what it costs
Format = Literal["float", "base64", "int8", "binary", "ubinary"]
_ADDRESS = re.compile(r"(https?|file|ftp|s3)://\S+", re.IGNORECASE)  # of a picture, as NV-CLIP takes them
router = APIRouter()


class EmbeddingRequest(BaseModel):
    """What to embed: `input` as OpenAI and NV-CLIP have it, or `messages` as vLLM has them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "champion", "input": "a red heart"},
                {"input": ["a red heart", EXAMPLE], "dimensions": 8, "encoding_format": "int8"},
                {"messages": [{"role": "user", "content": [{"type": "text", "text": "a red heart"}]}]},
                {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": EXAMPLE}}]}]},
            ]
        }
    )

    model: str = Field(
        "",
        examples=["champion"],
        description="A version such as clip@3, champion, or a model's name; any, unless given.",
    )
    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_INPUTS)] | None = Field(
        None, examples=["a red heart"], description="Texts; one that begins with data:image/ is a picture."
    )
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_INPUTS)] | None = Field(
        None,
        examples=[[{"role": "user", "content": [{"type": "text", "text": "a red heart"}]}]],
        description="One conversation, which gets one vector: words, of whatever roles, or one picture.",
    )
    dimensions: int | None = Field(None, ge=1, description="The first so many numbers, brought to unit length again.")
    encoding_format: Format = "float"
    normalize: Literal[True] | None = Field(None, description="Vectors are always of unit length.")
    use_activation: Literal[True] | None = Field(None, description="As normalize.")
    chat_template: None = Field(None, description="There is none to choose: contents are written one behind the other.")
    embed_dtype: Literal["float32"] | None = Field(None, description="Of base64.")
    endianness: Literal["little", "native"] | None = Field(None, description="Of base64.")

    def samples(self) -> list[str | bytes]:
        """Return each input in order, a picture as its bytes. Raises Refusal."""
        if (self.input is None) == (self.messages is None):
            raise bad("invalid_request", "Give either input or messages.")
        if self.messages is not None:
            return [sample_of(self.messages)]
        inputs = [self.input] if isinstance(self.input, str) else self.input or []
        return [_sample(text, f"input[{at}]") for at, text in enumerate(inputs)]


def _sample(text: str, where: str) -> str | bytes:
    return picture_of(text, where) if is_data_uri(text) or _ADDRESS.fullmatch(text) else checked_text(text, where)


class Embedding(Answer):
    """One vector."""

    object: Literal["embedding"]
    index: int = Field(description="The place of its input.")
    embedding: list[float] | str = Field(description="Numbers; of base64, little-endian float32 as a text.")


class Usage(Answer):
    """What was embedded."""

    prompt_tokens: int
    total_tokens: int
    num_images: int


class Embeddings(Answer):
    """A vector of unit length for each input."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.6, -0.8]}], "model": "clip@3", "space": SPACE,
                    "usage": {"prompt_tokens": 5, "total_tokens": 5, "num_images": 0},
                }
            ]
        }
    )  # fmt: skip

    object: Literal["list"]
    data: list[Embedding]
    model: str = Field(description="The version that answered.")
    space: str = Field(description="Vectors of two spaces must not be compared.")
    usage: Usage


@router.post(
    "/v1/embeddings", summary="Texts and pictures to vectors of one space", response_model=None,
    responses=answered(Embeddings, "A vector for each input, in its order"),
)  # fmt: skip
async def embeddings(request: Request, body: EmbeddingRequest) -> Response:
    """Return a vector of unit length for each input, in its order."""
    samples = body.samples()
    pictures = [sample for sample in samples if isinstance(sample, bytes)]
    if len(pictures) * MAX_PIXELS > MOST_PIXELS and sum(map(pixels_of, pictures)) > MOST_PIXELS:
        raise Refusal(
            413, "image_too_large", f"The pictures have more than {MOST_PIXELS:,} pixels together. Send fewer at once."
        )
    version, rows = await asked(request, body.model, lambda its: _embed(its, samples), _alike)
    request.state.embedded = (samples, rows)
    if body.dimensions is not None:
        if body.dimensions > rows.shape[1]:
            raise bad(
                "bad_dimensions",
                f"dimensions is {body.dimensions}, but {version.label} gives vectors of {rows.shape[1]} numbers.",
            )
        rows = shortened(rows, body.dimensions)
    data = [
        {"object": "embedding", "index": at, "embedding": row}
        for at, row in enumerate(encoded(rows, body.encoding_format))
    ]
    tokens = await used(version.endpoint.repository, [sample for sample in samples if isinstance(sample, str)])
    return as_json(
        {
            "object": "list", "data": data, "model": version.label, "space": version.endpoint.space,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "num_images": len(pictures)},
        }
    )  # fmt: skip


def shortened(rows: np.ndarray, dimensions: int) -> np.ndarray:
    """Return float32 [N d] of unit length: the first d numbers of each row."""
    kept = rows[:, :dimensions]
    return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)


def encoded(rows: np.ndarray, how: Format) -> list[Any]:
    """Return each row of float32 [N d] as it travels.

    float: numbers. base64: little-endian float32. int8: times 127 over the row's largest, which changes no cosine but by rounding.
    ubinary: a bit a number, 1 where it is above 0, eight to a byte, first highest; binary: the same bytes less 128.
    """
    if how == "float":
        return list(rows)
    if how == "base64":
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
    if how == "int8":
        largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-12)
        return list(np.rint(rows * (127 / largest)).astype(np.int8))
    bits = np.packbits(rows > 0, axis=1)
    return list(bits if how == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8))


async def _embed(version: Version, samples: list[str | bytes]) -> np.ndarray:
    pictures = [at for at, sample in enumerate(samples) if isinstance(sample, bytes)]
    texts = [at for at, sample in enumerate(samples) if isinstance(sample, str)]
    calls = []
    if pictures:
        calls.append(version.vectors.embed_image([samples[at] for at in pictures]))  # type: ignore[misc]
    if texts:
        calls.append(version.vectors.embed_text([samples[at] for at in texts]))  # type: ignore[misc]
    try:
        parts = await asyncio.gather(*calls)
    except RequestRefused as err:
        raise RequestRefused(_renumbered(str(err), pictures)) from err
    return np.concatenate(parts)[np.argsort([*pictures, *texts])]


def _renumbered(said: str, pictures: Sequence[int]) -> str:
    """Return the sentence with the place of a picture among all inputs, in place of that among the pictures that went to the server."""
    found = re.search(r"picture (\d+)", said)
    first = re.search(r" \(counted from (\d+)\)", said)
    if found is None:
        return said
    at = int(found[1]) + (int(first[1]) if first else 0)
    return said.replace(first[0] if first else "", "").replace(
        found[0], f"input {pictures[at]}, a picture" if at < len(pictures) else found[0]
    )


def _alike(ours: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two versions give the same vectors, which those of one space do."""
    return ours.shape == other.shape and bool(np.allclose(ours, other, atol=1e-3))
