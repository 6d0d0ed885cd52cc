"""GET /v1/models: which versions answer, what share of requests each gets, and what can be searched and filtered by."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from components.contracts.errors import StaleArtifact
from components.serving.gateway.answers import REFUSALS, as_json
from components.serving.gateway.fleet import Fleet, Version
from components.serving.indexes import PACKAGE, borrowed, names
from components.serving.search.own import size_of

router = APIRouter()


@router.get("/v1/models", summary="The versions that are served", responses=REFUSALS, response_model=None)
async def models(request: Request) -> Response:
    """Return a line a version, the champion first; in OpenAI's shape, and more."""
    fleet: Fleet = request.app.state.fleet
    await fleet.look()  # whoever has just deployed asks here whether it is there
    return as_json({"object": "list", "data": [await _line(version, at) for at, version in enumerate(fleet.versions)]})


async def _line(version: Version, at: int) -> dict[str, Any]:
    searcher = await version.index()
    index = None
    if searcher is not None:
        index = {
            "pictures": len(searcher), "width": searcher.vectors.width, "filters": searcher.catalogue.facets(),
            "languages": searcher.catalogue.languages(),
        }  # fmt: skip
    return {
        "id": version.label, "object": "model", "owned_by": "diptych", "space": version.endpoint.space,
        "alias": "champion" if at == 0 else "challenger" if at == 1 else None, "share": version.share, "shadow": version.shadow,
        "since": version.endpoint.started_at, "index": index,
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
