"""Where the sentences of a text end."""

import re

# After a mark that ends a sentence and a blank, after one of East Asia, which takes no blank, and where a line ends.
_BETWEEN = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\s*\n\s*")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without the blanks around them; "Dr. Who" is taken for two."""
    return [one.strip() for one in _BETWEEN.split(text) if one.strip()]
