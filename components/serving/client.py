"""Ask a gateway from Python: vectors, labels and pictures, in one call after another or many at once.

Axes: N inputs, D embedding width.
"""

import base64
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx
import numpy as np
from jaxtyping import Float

from components.contracts.errors import TransientError
from components.serving.errors import RequestRefused
from components.serving.triton_client import Classified, Hit, LabelScore

TIMEOUT_S = 30.0
MOST_INPUTS = 256  # of one request


class Client:
    """A connection to one gateway, as a context manager; several threads may share it.

    Args:
        url: of the gateway, as `diptych status` says it.
        key: where keys are in use.
        model: the version that is asked, such as clip@3; any unless given.
        timeout_s: seconds for each answer.

    Every call raises RequestRefused for what the gateway will not take, and TransientError for what another try may mend.
    """

    def __init__(self, url: str, key: str | None = None, model: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._model = model
        self._http = httpx.Client(base_url=url, headers=_headers(key), timeout=timeout_s)

    def embed(self, inputs: Sequence[str | bytes], dimensions: int | None = None) -> Float[np.ndarray, "N D"]:
        """Return a vector of unit length for each text or encoded picture."""
        rows, space = [], ""
        for body in _embeddings(self._model, inputs, dimensions):
            answer = self._post("embeddings", _of_space(body, space))
            space = answer["space"]
            rows.append(_rows(answer))
        return np.concatenate(rows)

    def classify(
        self, image: bytes, labels: Sequence[str] | None = None, templates: Sequence[str] | None = None, top_k: int = 10
    ) -> Classified:
        """Return the likeliest labels of an encoded picture, the model's own unless given."""
        return _classified(self._post("classify", _classification(self._model, image, labels, templates, top_k)))

    def search(
        self,
        question: str | bytes,
        where: Mapping[str, Sequence[str]] | None = None,
        top_k: int = 10,
        mode: str = "hybrid",
        index: str = "package",
    ) -> list[Hit]:
        """Return the nearest pictures of the index to words or to an encoded picture, best first.

        Args:
            question: a text, or the bytes of a picture.
            where: column -> values, one of which a picture must have.
            top_k: how many, 1 to 1,000.
            mode: hybrid, vector or words.
            index: which pictures: those of the model, or an index of one's own.
        """
        return _hits(self._post("search", _search(self._model, question, where, top_k, mode, index)))

    def _post(self, route: str, body: Mapping[str, Any]) -> Any:
        try:
            return _answer(self._http.post(f"/v1/{route}", json=body))
        except httpx.TransportError as err:
            raise _gone(err) from err

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for an event loop, as an async context manager; arguments, answers and errors as of Client."""

    def __init__(self, url: str, key: str | None = None, model: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self._model = model
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(key), timeout=timeout_s)

    async def embed(self, inputs: Sequence[str | bytes], dimensions: int | None = None) -> Float[np.ndarray, "N D"]:
        """Return a vector of unit length for each text or encoded picture."""
        rows, space = [], ""
        for body in _embeddings(self._model, inputs, dimensions):
            answer = await self._post("embeddings", _of_space(body, space))
            space = answer["space"]
            rows.append(_rows(answer))
        return np.concatenate(rows)

    async def classify(
        self, image: bytes, labels: Sequence[str] | None = None, templates: Sequence[str] | None = None, top_k: int = 10
    ) -> Classified:
        """Return the likeliest labels of an encoded picture, the model's own unless given."""
        return _classified(await self._post("classify", _classification(self._model, image, labels, templates, top_k)))

    async def search(
        self,
        question: str | bytes,
        where: Mapping[str, Sequence[str]] | None = None,
        top_k: int = 10,
        mode: str = "hybrid",
        index: str = "package",
    ) -> list[Hit]:
        """Return the nearest pictures of the index to words or to an encoded picture, best first."""
        return _hits(await self._post("search", _search(self._model, question, where, top_k, mode, index)))

    async def _post(self, route: str, body: Mapping[str, Any]) -> Any:
        try:
            return _answer(await self._http.post(f"/v1/{route}", json=body))
        except httpx.TransportError as err:
            raise _gone(err) from err

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def _uri(picture: bytes) -> str:
    return f"data:image/*;base64,{base64.b64encode(picture).decode()}"


def _embeddings(model: str, inputs: Sequence[str | bytes], dimensions: int | None) -> list[dict[str, Any]]:
    """Return the bodies of as many requests as it takes."""
    if isinstance(inputs, str | bytes) or not inputs:
        raise RequestRefused("embed takes a list of texts and pictures, at least one; put a single one in a list.")
    sent = [_uri(one) if isinstance(one, bytes) else one for one in inputs]
    plain: dict[str, Any] = {"model": model, "encoding_format": "base64"}
    if dimensions is not None:
        plain["dimensions"] = dimensions
    return [{**plain, "input": sent[start : start + MOST_INPUTS]} for start in range(0, len(sent), MOST_INPUTS)]


def _of_space(body: dict[str, Any], space: str) -> dict[str, Any]:
    """Return the body, asking for the very model that answered first: vectors of two models cannot lie in one array."""
    return {**body, "model": space} if space else body


def _classification(
    model: str, image: bytes, labels: Sequence[str] | None, templates: Sequence[str] | None, top_k: int
) -> dict[str, Any]:
    body: dict[str, Any] = {"model": model, "image": _uri(image), "top_k": top_k}
    given = {"labels": labels, "templates": templates}
    return body | {name: list(texts) for name, texts in given.items() if texts is not None}


def _search(
    model: str, question: str | bytes, where: Mapping[str, Sequence[str]] | None, top_k: int, mode: str, index: str
) -> dict[str, Any]:
    asked = {"image": _uri(question)} if isinstance(question, bytes) else {"query": question}
    narrowed = {name: list(values) for name, values in (where or {}).items()}
    return {"model": model, **asked, "filter": narrowed, "top_k": top_k, "mode": mode, "index": index}


def _answer(answer: httpx.Response) -> Any:
    if answer.status_code == 200:
        return answer.json()
    try:
        said = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):  # a proxy in between may say it in its own way
        said = f"status {answer.status_code}"
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(said)
    raise RequestRefused(said)


def _gone(err: httpx.TransportError) -> TransientError:
    return TransientError(
        f"The gateway does not answer ({type(err).__name__}: {err}). `diptych status` says whether it runs."
    )


def _rows(answer: Any) -> Float[np.ndarray, "N D"]:
    return np.stack([np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in answer["data"]])


def _classified(answer: Any) -> Classified:
    labels = tuple(LabelScore(label=one["label"], score=one["score"]) for one in answer["labels"])
    return Classified(labels=labels, encoded=answer["encoded"])


def _hits(answer: Any) -> list[Hit]:
    return [
        Hit(
            key=one["key"],
            text=one["text"],
            source=one["columns"].get("source", ""),
            score=one["score"],
            name=one["name"],
        )
        for one in answer["hits"]
    ]
