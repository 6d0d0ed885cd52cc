"""How answers look: JSON that numpy's numbers go into as they are, and what the description of the API says of refusals."""

from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel, ConfigDict

SPACE = "9f2a41c07b6d8e35" * 4
"""A digest, for the examples."""


class Fault(BaseModel):
    """What went wrong."""

    message: str
    type: str
    code: str
    param: None = None
    request_id: str


class Refused(BaseModel):
    """The answer where there is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "message": "input[0] has no words.", "type": "invalid_request_error", "code": "empty_text", "param": None,
                        "request_id": "3f1c9a7e5b2d4f60a8c1e7b3",
                    }
                }
            ]
        }
    )  # fmt: skip

    error: Fault


_MEANS = {
    400: "The request is wrong in itself", 401: "No key, or not a good one", 403: "Called by a name that is not its own",
    404: "No such model, or picture", 405: "Not asked so", 408: "Sent too slowly",
    409: "What is asked for cannot be asked so", 413: "Too large", 415: "No picture that is taken", 429: "Asked too often", 503: "Not now: try again",
    504: "Not in time",
}  # fmt: skip
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": means} for status, means in _MEANS.items()
}


class Answer(BaseModel):
    """An answer as the description of the API has it. It is not built for each request: what it says is held against real answers by tests."""

    model_config = ConfigDict(extra="forbid")


def answered(model: type[Answer], means: str) -> dict[int | str, dict[str, Any]]:
    """Return what the description of the API says of the answers of a route, refusals included."""
    return {200: {"model": model, "description": means}, **REFUSALS}


def as_json(answer: Any, status: int = 200) -> Response:
    """Return the answer; numpy arrays have to be contiguous."""
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), status, media_type="application/json")
