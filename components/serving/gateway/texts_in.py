"""Texts as clients send them."""

from components.serving.gateway.refusal import Refusal, bad

MOST_CHARACTERS = 10_000  # far beyond what any text tower reads


def checked_text(text: str, where: str) -> str:
    """Return the text. Raises Refusal for one that is empty, too long, or no Unicode."""
    if not text.strip():
        raise bad("empty_text", f"{where} has no words.")
    if len(text) > MOST_CHARACTERS:
        raise Refusal(
            413, "text_too_long", f"{where} has {len(text):,} characters; at most {MOST_CHARACTERS:,} are taken."
        )
    if "\0" in text:
        raise bad("bad_text", f"{where} has a NUL character in it.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as err:
        raise bad("bad_text", f"{where} is no Unicode: it has half of a surrogate pair at {err.start}.") from err
    return text
