"""A conversation as one input, in the shape that clients of vLLM's embedding models send.

Source: vLLM's "Embeddings API" with messages, its CLIP and SigLIP models, and their chat template, which writes the contents of all messages, whatever their roles,
one behind the other; text parts of one message stand on lines of their own. One conversation is one input, and has one vector.
Differs: what a model that embeds words and pictures apart cannot do is refused with a code of its own: a picture with words, and several pictures. Pictures are sent
within the request, and none is fetched.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from components.serving.gateway.pictures_in import EXAMPLE, picture_of
from components.serving.gateway.refusal import bad
from components.serving.gateway.texts_in import checked_text

MOST_PARTS = 256  # of a message


class ImageUrl(BaseModel):
    """Where a picture is: in itself, as a data URI."""

    url: str = Field(examples=[EXAMPLE])


class TextPart(BaseModel):
    """Words of a message."""

    type: Literal["text"]
    text: str


class ImagePart(BaseModel):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class Message(BaseModel):
    """One message: who says it makes no difference."""

    role: Annotated[str, Field(min_length=1, max_length=50)] = "user"
    content: str | Annotated[list[Part], Field(max_length=MOST_PARTS)] | None = None


def sample_of(messages: list[Message]) -> str | bytes:
    """Return what a conversation comes to: its words, or its one picture as bytes. Raises Refusal."""
    pictures = [
        (part.image_url.url, f"messages[{at}].content[{place}]")
        for at, message in enumerate(messages)
        if isinstance(message.content, list)
        for place, part in enumerate(message.content)
        if isinstance(part, ImagePart)
    ]
    words = "".join(_words(message) for message in messages)
    if not pictures:
        return checked_text(words, "messages")
    if words.strip():
        raise bad(
            "mixed_conversation",
            "messages has words and a picture, which this model embeds apart, so there is no vector of both. Send input with the two, each of which gets a vector, "
            "or messages with one of them.",
        )
    if len(pictures) > 1:
        raise bad(
            "several_pictures",
            f"messages has {len(pictures)} pictures, and a conversation gets one vector. Send input with a list of pictures, each of which gets a vector.",
        )
    return picture_of(*pictures[0])


def _words(message: Message) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if isinstance(part, TextPart))
    return message.content or ""
