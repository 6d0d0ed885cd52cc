"""POST /v1/classify: a picture to the likeliest of some labels, the model's own or those of the request.

What may be asked is checked by the same code as in the served classifier.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from components.serving.classification import BadLabels, check_labels, check_templates
from components.serving.gateway.answers import Answer, answered, as_json
from components.serving.gateway.asking import asked
from components.serving.gateway.metrics import SCORES
from components.serving.gateway.pictures_in import EXAMPLE, picture_of
from components.serving.gateway.refusal import bad
from components.serving.triton_client import Classified

router = APIRouter()
# The first that is no text ends it: an error for each of millions would fill a memory.
Texts = Annotated[list[str], Field(fail_fast=True)]


class ClassifyRequest(BaseModel):
    """A picture, and what to choose from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image": EXAMPLE, "labels": ["cat", "dog"], "templates": ["a picture of {}"], "top_k": 2},
                {"model": "champion", "image": EXAMPLE},
            ]
        }
    )

    model: str = Field("", description="A version such as clip@3, champion, or a model's name; any, unless given.")
    image: str = Field(examples=[EXAMPLE], description="A data URI, or base64.")
    labels: Texts | None = Field(None, examples=[["cat", "dog"]], description="The model's own, unless given.")
    templates: Texts | None = Field(None, examples=[["a picture of {}"]], description="The model's own, unless given.")
    top_k: int = Field(5, ge=1, le=1000)


class Label(Answer):
    """A label and its share of a softmax over all that were asked."""

    label: str
    score: float


class Classification(Answer):
    """The likeliest labels, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "clip@3", "labels": [{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}], "encoded": 0}
            ]
        }
    )  # fmt: skip

    model: str = Field(description="The version that answered.")
    labels: list[Label]
    encoded: int = Field(description="Prompts that had to be encoded, since the server had not met them before.")


@router.post(
    "/v1/classify", summary="A picture to its likeliest labels", response_model=None,
    responses=answered(Classification, "The likeliest labels, best first"),
)  # fmt: skip
async def classify(request: Request, body: ClassifyRequest) -> Response:
    """Return the likeliest labels, best first, each with its share of a softmax over all that were asked."""
    image = picture_of(body.image)
    try:
        if body.labels is not None:
            check_labels(body.labels)
        if body.templates is not None:
            check_templates(body.templates, len(body.labels or [""]))
    except BadLabels as err:
        raise bad("bad_labels", f"{str(err)[:1].upper()}{str(err)[1:]}.") from err

    version, answer = await asked(
        request, body.model, lambda its: its.upstream.classify(image, body.labels, body.templates, body.top_k), _same
    )
    SCORES.labels(version.label, "classify").observe(answer.labels[0].score)
    return as_json({"model": version.label, "labels": listed(answer), "encoded": answer.encoded})


def listed(answer: Classified) -> list[dict[str, Any]]:
    """Return labels and scores as they travel."""
    return [{"label": one.label, "score": one.score} for one in answer.labels]


def _same(ours: Classified, other: Classified) -> bool:
    return ours.labels[0].label == other.labels[0].label
