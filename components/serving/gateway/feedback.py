"""POST /v1/feedback: a thumb up or down for a picture of an answer, which becomes a row of an evaluation and a mined negative.

A line each is appended to .diptych/served/feedback.jsonl, in one write, so that workers need no lock; `diptych data feedback` reads it.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from components.serving.endpoint import served_folder
from components.serving.gateway.answers import Answer, answered, as_json
from components.serving.gateway.fleet import Fleet
from components.serving.gateway.refusal import Refusal
from components.serving.gateway.search import holding
from components.serving.gateway.settings import Settings
from components.serving.gateway.texts_in import checked_text
from components.serving.search.entry import Entry

FILE = "feedback.jsonl"
MOST_CHARACTERS = 1_000  # of a query that is kept; with it a line is one write
router = APIRouter()


class Feedback(BaseModel):
    """What somebody thinks of one picture of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "champion", "query": "a red heart", "key": "emoji_u2764", "vote": "up"}]
        }
    )

    model: str = Field("", description="The version that answered.")
    query: str = Field(examples=["a red heart"], description="What was asked.", max_length=MOST_CHARACTERS)
    key: str = Field(examples=["emoji_u2764"], description="Of the picture.", max_length=500)
    vote: Literal["up", "down"]


class Kept(Answer):
    """The thumb is written down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kept": True}]})

    kept: Literal[True]


@router.post("/v1/feedback", summary="A thumb up or down", responses=answered(Kept, "It is kept"), response_model=None)
async def feedback(request: Request, body: Feedback) -> Response:
    """Keep it; 404 for a picture that is not in the index."""
    checked_text(body.query, "query")
    fleet: Fleet = request.app.state.fleet
    version, _ = await holding(fleet, body.model, body.key, _known)
    append(
        request.app.state.settings,
        {
            "at": datetime.now(UTC).isoformat(timespec="seconds"), "version": version.label, "space": version.endpoint.space,
            "query": body.query, "key": body.key, "vote": body.vote, "by": request.state.key,
        },
    )  # fmt: skip
    return as_json({"kept": True})


async def _known(entry: Entry) -> Entry:
    """Return what is known of a picture: that it is in the index is enough for a thumb."""
    return entry


def feedback_file(root: Path) -> Path:
    """Return where the thumbs of a workspace are."""
    return served_folder(root) / FILE


def append(settings: Settings, row: dict[str, str | None]) -> None:
    """Append a line, whole; Refusal where it could not be."""
    line = ("\n" + json.dumps(row, ensure_ascii=False) + "\n").encode()  # whatever was cut before ends here
    try:
        handle = os.open(feedback_file(settings.root), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            written = os.write(handle, line)
        finally:
            os.close(handle)
    except OSError as err:
        raise Refusal(
            503, "not_kept", "The thumb could not be kept: whoever runs this gateway has to look at its disk.", 60.0
        ) from err
    if written < len(line):
        raise Refusal(
            503,
            "not_kept",
            "The thumb could not be kept whole: whoever runs this gateway has to look at its disk.",
            60.0,
        )
