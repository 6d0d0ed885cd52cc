"""GET /: the page, its style and its script, from files beside this one; nothing is fetched from elsewhere."""

from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Response

FOLDER = Path(__file__).parent / "page"
TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
router = APIRouter()


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page."""
    return _file("index.html")


@router.get("/page/{name}", include_in_schema=False)
async def part(name: str) -> Response:
    """Return a file of the page."""
    return _file(name) if name in TYPES else Response("There is no such file.", 404)


@router.get("/favicon.ico", include_in_schema=False)
async def icon() -> Response:
    """Return nothing, which is what there is."""
    return Response(status_code=204)


@lru_cache
def _file(name: str) -> Response:
    return Response((FOLDER / name).read_bytes(), media_type=TYPES[name], headers={"cache-control": "no-cache"})
