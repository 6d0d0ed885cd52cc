"""GET /v1/pictures/KEY: a picture of the index, small, from the shards of the workspace that it came from."""

import asyncio
import hashlib
import io
from collections import OrderedDict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from components.data.shards import BrokenMember, ShardReader
from components.data.transforms.preprocess import BadImage, upright
from components.serving.gateway.answers import REFUSALS
from components.serving.gateway.fleet import Fleet
from components.serving.gateway.refusal import Refusal
from components.serving.gateway.search import holding
from components.serving.search.entry import Entry, Place

SIDES = (96, 160, 320)  # pixels that a picture is shown at, at most
MOST_KEPT = 2_000
router = APIRouter()


class Thumbnails:
    """Small copies of pictures, the last ones kept.

    Args:
        root: of the workspace.
    """

    def __init__(self, root: Path) -> None:
        self._raw = root / "data" / "raw"
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    async def webp(self, key: str, place: Place, side: int) -> bytes:
        """Return a WebP of at most `side` pixels a side. Raises Refusal where the picture is not there any more."""
        name = (place.sha256, side, self._laid())  # what was taken down since must not be shown from here
        if name not in self._kept:
            self._kept[name] = await asyncio.to_thread(self._make, key, place, side)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(name)
        return self._kept[name]

    def _laid(self) -> tuple[int, int] | None:
        """Return what tells the pictures that lie in the workspace from those that lay there before; None where none do."""
        try:
            about = self._raw.stat()
        except OSError:
            return None
        return about.st_ino, about.st_mtime_ns

    def _make(self, key: str, place: Place, side: int) -> bytes:
        try:
            with ShardReader(self._raw) as reader:
                picture = upright(reader.read(place.row(key)), side)
        except (BrokenMember, BadImage) as err:
            raise Refusal(404, "picture_gone", "The picture is not where it was when the model was made.") from err
        picture.thumbnail((side, side))
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=82)
        return file.getvalue()


@router.get(
    "/v1/pictures/{key:path}", summary="A picture of the index, small",
    responses={
        **REFUSALS, 200: {"description": "The picture", "content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "It is the one that `if-none-match` names"},
    },
    response_model=None, response_class=Response,
)  # fmt: skip
async def picture(request: Request, key: str, side: Annotated[int, Query()] = SIDES[1], model: str = "") -> Response:
    """Return a WebP of at most `side` pixels a side, rounded up to 96, 160 or 320; a browser that has kept it asks each time whether it is still there."""
    fleet: Fleet = request.app.state.fleet
    thumbnails: Thumbnails = request.app.state.thumbnails

    async def small(entry: Entry) -> bytes:
        if entry.place is None:
            raise Refusal(404, "no_picture", "There is no picture of that key here.")
        return await thumbnails.webp(key, entry.place, next((one for one in SIDES if one >= side), SIDES[-1]))

    _, shown = await holding(fleet, model, key, small)
    tag = f'"{hashlib.sha256(shown).hexdigest()[:32]}"'
    kept = {"cache-control": "private, no-cache", "etag": tag}  # it may have been taken down, or be another by then
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=kept)
    return Response(shown, media_type="image/webp", headers=kept)


def _tags(header: str) -> set[str]:
    """Return the entity tags of If-None-Match, weak ones as strong ones (RFC 9110, 13.1.2)."""
    return {one.strip().removeprefix("W/") for one in header.split(",")}
