"""POST /v1/search: words, a picture, or both, to the pictures of the index, narrowed to what a filter names."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from components.serving.gateway.answers import SPACE, Answer, answered, as_json
from components.serving.gateway.asking import asked
from components.serving.gateway.fleet import Fleet, Version
from components.serving.gateway.metrics import SCORES
from components.serving.gateway.pictures_in import EXAMPLE, picture_of
from components.serving.gateway.refusal import Refusal, bad, told_of
from components.serving.gateway.texts_in import checked_text
from components.serving.indexes import PACKAGE, is_name
from components.serving.search.catalogue import MAX_VALUES, BadFilter
from components.serving.search.entry import COLUMNS, Entry
from components.serving.search.searcher import Found, Searcher

INLINE = 10_000  # texts and pictures of an index that is searched on the spot; a larger one is, in a thread
router = APIRouter()
T = TypeVar("T")
Searched = tuple[list[Found], np.ndarray | None, str]
"""What was found, the vector [D] that was searched by (None where words alone were asked), and the space of what was searched."""


def _few(filters: Any) -> Any:
    """Return a filter as it came; ValueError for more columns than there are, before each of them is looked at."""
    if isinstance(filters, dict) and len(filters) > len(COLUMNS):
        raise ValueError(f"there are {len(filters):,} columns, of {len(COLUMNS)} that can be filtered by")
    return filters


Values = Annotated[list[str], Field(min_length=1, max_length=MAX_VALUES)]


class SearchRequest(BaseModel):
    """What to look for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "a red heart", "filter": {"source": ["noto"]}, "top_k": 5},
                {"query": "a red heart", "mode": "words"},
                {"model": "champion", "image": EXAMPLE},
                {"like": "emoji_u2764", "index": "package"},
            ]
        }
    )

    model: str = Field("", description="A version such as clip@3, champion, or a model's name; any, unless given.")
    query: str | None = Field(None, examples=["a red heart"], description="Words; the last may be unfinished.")
    image: str | None = Field(None, description="A picture, whose neighbours are found: a data URI, or base64.")
    like: str | None = Field(
        None, max_length=500, description="The key of a picture of the index, whose neighbours are found."
    )
    mode: Literal["hybrid", "vector", "words"] = Field(
        "hybrid",
        description="By vector, by the words of captions (BM25), or by both, fused by rank; a picture is asked by vector.",
    )
    filter: Annotated[dict[str, Values], BeforeValidator(_few)] = Field(
        {},
        examples=[{"source": ["noto"]}],
        description="Column to values, one of which a picture must have; GET /v1/models lists them.",
    )
    top_k: int = Field(12, ge=1, le=1000)
    index: str = Field(
        PACKAGE,
        max_length=50,
        description="Which pictures: those of the model, or an index of one's own; GET /v1/models lists them.",
    )


class Rank(Answer):
    """From 1; none where a hit is not among the first of a ranking."""

    vector: int | None
    words: int | None


class HitAnswer(Answer):
    """One picture."""

    key: str
    name: str = Field(description="As its owner knows it; empty where the model alone knows it.")
    text: str = Field(description="Its first caption.")
    texts: dict[str, list[str]] = Field(description="Language to captions.")
    columns: dict[str, str] = Field(description="What it can be found by in a filter.")
    score: float | None = Field(description="Its cosine with the question; none where words alone were asked.")
    rank: Rank
    picture: bool = Field(description="Whether GET /v1/pictures/KEY shows it.")


class Hits(Answer):
    """The nearest pictures, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "clip@3", "space": SPACE, "index": PACKAGE, "index_space": SPACE,
                    "hits": [{
                        "key": "emoji_u2764", "name": "", "text": "red heart", "texts": {"en": ["red heart"]}, "columns": {"source": "noto"}, "score": 0.31,
                        "rank": {"vector": 1, "words": 2}, "picture": True,
                    }],
                }
            ]
        }
    )  # fmt: skip

    model: str = Field(description="The version that answered.")
    space: str = Field(description="Of the version's vectors.")
    index: str
    index_space: str = Field(description="Of the vectors that were searched.")
    hits: list[HitAnswer]


@router.post(
    "/v1/search", summary="Words or a picture to the nearest pictures", response_model=None,
    responses=answered(Hits, "The nearest pictures, best first"),
)  # fmt: skip
async def search(request: Request, body: SearchRequest) -> Response:
    """Return the nearest pictures, best first."""
    if sum(one is not None for one in (body.query, body.image, body.like)) != 1:
        raise bad("invalid_request", "Give one of query, image and like.")
    image = None if body.image is None else picture_of(body.image)
    words = None if body.query is None else checked_text(body.query, "query")
    version, (found, vector, space) = await asked(
        request, body.model, lambda its: _search(its, image, words, body), _same
    )
    whole = body.index == PACKAGE and not body.filter
    request.state.searched = (words, found, whole)
    if found and found[0].score is not None:
        SCORES.labels(version.label, "search").observe(found[0].score)
    if vector is not None and body.like is None:  # that of `like` is of a picture which the index has
        request.state.embedded = ([words if image is None else image], vector[None])
    return as_json(
        {
            "model": version.label,
            "space": version.endpoint.space,
            "index": body.index,
            "index_space": space,
            "hits": [_hit(one) for one in found],
        }
    )


async def searcher_of(version: Version) -> Searcher:
    """Return the index that a version brings along. Raises Refusal where it has none, or it cannot be read."""
    searcher = await version.index()
    if searcher is None:
        raise Refusal(404, "no_index", f"{version.label} was packaged without pictures to search among.")
    return searcher


async def holding(fleet: Fleet, model: str, key: str, take: Callable[[Entry], Awaitable[T]]) -> tuple[Version, T]:
    """Return a version whose own index has a picture of a key, of those that may answer for a name, and what could be taken of it there.

    Args:
        take: is given what a version knows of the picture; where it raises Refusal, the next version is asked.

    Raises Refusal where none has it.
    """
    refused = []
    for version in fleet.order(model):
        try:
            entry = (await searcher_of(version)).catalogue.keyed(key)
            if entry is None:
                raise Refusal(404, "no_picture", "There is no picture of that key here.")
            return version, await take(entry)
        except Refusal as err:
            refused.append(err)
    raise told_of(refused)


async def _index_of(version: Version, index: str) -> tuple[str, Searcher]:
    """Return the index that is named, and the space of its vectors. Raises Refusal where there is none."""
    if index == PACKAGE:
        return version.endpoint.space, await searcher_of(version)
    own = await version.own(index) if is_name(index) else None
    if own is None:
        raise Refusal(
            404,
            "no_index",
            f"{version.label} has no index {index[:50]!r} of its space. GET /v1/models lists those that it has; diptych index makes one.",
        )
    return own


async def _search(version: Version, image: bytes | None, words: str | None, body: SearchRequest) -> Searched:
    space, searcher = await _index_of(version, body.index)
    if image is not None and space != version.endpoint.space:
        raise Refusal(
            409,
            "words_only",
            f"The vectors of the index {body.index} are of another model, and those of {version.label} were shown to find pictures among them by "
            f"words alone. Ask by words, or by the key of one of its pictures; diptych index PICTURES --name {body.index} makes vectors of its own.",
        )
    vector: np.ndarray | None = None
    if image is not None:
        vector = (await version.vectors.embed_image([image]))[0]
    elif body.like is not None:
        vector = searcher.vector(body.like)
        if vector is None:
            raise Refusal(404, "no_picture", "There is no picture of that key here.")
    elif words is not None and body.mode != "words":
        vector = (await version.vectors.embed_text([words]))[0]
    asked_words = words if body.mode != "vector" else None
    ask = partial(searcher.search, vector, asked_words, body.top_k, body.filter)
    try:
        few = max(searcher.texts, len(searcher)) <= INLINE
        return (ask() if few else await version.searching.call(ask)), vector, space
    except BadFilter as err:
        raise bad("bad_filter", f"{str(err)[:1].upper()}{str(err)[1:]}.") from err


def _same(ours: Searched, other: Searched) -> bool:
    return [one.entry.key for one in ours[0][:1]] == [one.entry.key for one in other[0][:1]]


def _hit(one: Found) -> dict[str, Any]:
    entry = one.entry
    texts: dict[str, list[str]] = {}
    for lang, text in entry.said:
        texts.setdefault(lang, []).append(text)
    return {
        "key": entry.key, "name": entry.name, "text": entry.text, "texts": texts, "columns": entry.columns, "score": one.score,
        "rank": {"vector": one.by_vector, "words": one.by_words}, "picture": entry.place is not None,
    }  # fmt: skip
