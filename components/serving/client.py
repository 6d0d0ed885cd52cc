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
MOST_BYTES = 16 * 2**20  # of one request; a gateway takes twice that by default, and may cut off what is more
MOST_BYTES_A_LETTER = 6  # in JSON


class _TooMuch(RequestRefused):
    """What was sent together is too large; less of it may not be."""


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
        """Return a vector of unit length for each text or encoded picture, by as many requests as it takes."""
        asking = _Embedding(self._model, inputs, dimensions)
        while (body := asking.body()) is not None:
            try:
                asking.take(self._post("embeddings", body))
            except RequestRefused as err:
                asking.refused(err)
        return asking.rows()

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
        """Return a vector of unit length for each text or encoded picture, as Client.embed."""
        asking = _Embedding(self._model, inputs, dimensions)
        while (body := asking.body()) is not None:
            try:
                asking.take(await self._post("embeddings", body))
            except RequestRefused as err:
                asking.refused(err)
        return asking.rows()

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


class _Embedding:
    """Inputs on their way, in order, in requests that a gateway takes.

    Args:
        model, inputs, dimensions: as of Client and its `embed`.
    """

    def __init__(self, model: str, inputs: Sequence[str | bytes], dimensions: int | None) -> None:
        if isinstance(inputs, str | bytes) or not inputs:
            raise RequestRefused("embed takes a list of texts and pictures, at least one; put a single one in a list.")
        self._plain: dict[str, Any] = {"model": model, "encoding_format": "base64"}
        if dimensions is not None:
            self._plain["dimensions"] = dimensions
        self._inputs = inputs
        self._most, self._done, self._under_way = MOST_INPUTS, 0, 0
        self._rows: list[Float[np.ndarray, "N D"]] = []

    def body(self) -> dict[str, Any] | None:
        """Return the body of the next request; None where all is done."""
        sent: list[str] = []
        size = 0
        for one in self._inputs[self._done : self._done + self._most]:
            coded = _uri(one) if isinstance(one, bytes) else one
            size += len(coded) if isinstance(one, bytes) else MOST_BYTES_A_LETTER * len(one)
            if sent and size > MOST_BYTES:
                break
            sent.append(coded)
        self._under_way = len(sent)
        return {**self._plain, "input": sent} if sent else None

    def take(self, answer: Any) -> None:
        """Take an answer. The others are asked of the very model that gave it: vectors of two models cannot lie in one array."""
        self._plain["model"] = answer["space"]
        self._rows.append(_rows(answer))
        self._done += self._under_way

    def refused(self, err: RequestRefused) -> None:
        """Ask for less at once from here on where it was too much together; raises the error where it is an input's own."""
        if isinstance(err, _TooMuch) and self._under_way > 1:
            self._most = self._under_way // 2
        elif self._done:
            raise RequestRefused(f"{err} (Of inputs counted from {self._done} on.)") from err
        else:
            raise err

    def rows(self) -> Float[np.ndarray, "N D"]:
        """Return all of them."""
        return np.concatenate(self._rows)


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
        said, code = answer.json()["error"]["message"], answer.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):  # a proxy in between may say it in its own way
        said, code = f"status {answer.status_code}", ""
    if answer.status_code == 429 or answer.status_code >= 500:
        raise TransientError(said)
    if answer.status_code == 413 and code != "text_too_long":
        raise _TooMuch(said)
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
