"""GET /v1/models: which versions answer, what share of requests each gets, and what can be searched and filtered by."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from components.contracts.errors import StaleArtifact
from components.serving.gateway.answers import SPACE, Answer, answered, as_json
from components.serving.gateway.fleet import Fleet, Version
from components.serving.gateway.opened import IndexUnusable
from components.serving.indexes import PACKAGE, borrowed, names
from components.serving.search.catalogue import MAX_FACET
from components.serving.search.own import size_of

router = APIRouter()


class PackageIndex(Answer):
    """The pictures of a version, and what they can be narrowed down to."""

    pictures: int
    width: int
    filters: dict[str, dict[str, int]] = Field(
        description=f"Column to values to how many pictures have each. Columns of more than {MAX_FACET} values can be filtered by, and are not listed."
    )
    languages: dict[str, int] = Field(description="Language to how many captions there are.")


class NamedIndex(Answer):
    """An index that a version can search."""

    name: str
    space: str
    pictures: int
    width: int
    by: Literal["words and pictures", "words"]


class Line(Answer):
    """One version."""

    id: str
    object: Literal["model"]
    owned_by: Literal["diptych"]
    space: str
    alias: Literal["champion", "challenger"] | None
    share: float = Field(description="Of requests, 0 to 1.")
    shadow: bool
    vectors: Literal["worker", "server"] = Field(
        description="Who makes them now where the worker that answers is asked: the worker itself, or the version's own server."
    )
    since: str
    index: PackageIndex | None
    index_fault: str | None = Field(None, description="Why the pictures that it brings along cannot be searched.")
    indexes: list[NamedIndex]


class Lines(Answer):
    """The versions, the champion first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "list",
                    "data": [{
                        "id": "clip@3", "object": "model", "owned_by": "diptych", "space": SPACE, "alias": "champion", "share": 1.0, "shadow": False, "vectors": "worker",
                        "since": "2026-11-27T09:30:00+00:00",
                        "index": {"pictures": 5486, "width": 128, "filters": {"source": {"noto": 3689, "openmoji": 1797}}, "languages": {"en": 5486}},
                        "indexes": [{"name": PACKAGE, "space": SPACE, "pictures": 5486, "width": 128, "by": "words and pictures"}],
                    }],
                }
            ]
        }
    )  # fmt: skip

    object: Literal["list"]
    data: list[Line]


@router.get(
    "/v1/models", summary="The versions that are served", response_model=None,
    responses=answered(Lines, "A line a version, the champion first"),
)  # fmt: skip
async def models(request: Request) -> Response:
    """Return a line a version, the champion first; in OpenAI's shape, and more."""
    fleet: Fleet = request.app.state.fleet
    await fleet.look()  # whoever has just deployed asks here whether it is there
    return as_json({"object": "list", "data": [await _line(version, at) for at, version in enumerate(fleet.versions)]})


async def _line(version: Version, at: int) -> dict[str, Any]:
    searcher, index, fault = None, None, None
    try:
        searcher = await version.index()
        if searcher is not None:
            filters, languages = await version.counted(searcher)
            index = {
                "pictures": len(searcher), "width": searcher.vectors.width, "filters": filters, "languages": languages,
            }  # fmt: skip
    except IndexUnusable as err:
        searcher, fault = None, err.message
    return {
        "id": version.label, "object": "model", "owned_by": "diptych", "space": version.endpoint.space,
        "alias": "champion" if at == 0 else "challenger" if at == 1 else None, "share": version.share, "shadow": version.shadow, "vectors": "worker" if version.vectors.here else "server",
        "since": version.endpoint.started_at, "index": index, "index_fault": fault,
        "indexes": [*([_index(PACKAGE, version.endpoint.space, len(searcher), searcher.vectors.width)] if searcher else []), *_own(version)],
    }  # fmt: skip


def _own(version: Version) -> Iterator[dict[str, Any]]:
    """Yield those of one's own that the version can search: of its space, or of one that its words may search."""
    for name in names(version.root):
        with suppress(StaleArtifact):  # a search of it says so
            lent = borrowed(version.root, name, version.endpoint.space)
            space = version.endpoint.space if lent is None else lent.space
            size = size_of(version.root, name, space)
            if size is not None:
                yield _index(name, space, *size, by="words and pictures" if lent is None else "words")


def _index(name: str, space: str, pictures: int, width: int, by: str = "words and pictures") -> dict[str, Any]:
    return {"name": name, "space": space, "pictures": pictures, "width": width, "by": by}
