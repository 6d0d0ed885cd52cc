"""How answers look: JSON that numpy's numbers go into as they are, and what the description of the API says of refusals."""

from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel


class Fault(BaseModel):
    """What went wrong."""

    message: str
    type: str
    code: str
    param: None = None
    request_id: str


class Refused(BaseModel):
    """The answer where there is none."""

    error: Fault


_MEANS = {
    400: "The request is wrong in itself", 401: "No key, or not a good one", 403: "Called by a name that is not its own",
    404: "No such model, or picture", 405: "Not asked so", 408: "Sent too slowly", 413: "Too large", 415: "No picture that is taken", 429: "Asked too often", 503: "Not now: try again",
    504: "Not in time",
}  # fmt: skip
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": means} for status, means in _MEANS.items()
}


def as_json(answer: Any, status: int = 200) -> Response:
    """Return the answer; numpy arrays have to be contiguous."""
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")
