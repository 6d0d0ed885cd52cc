"""What may become of a caption that is longer than the text tower reads; components/data/long_captions.py does it."""

from typing import Literal

LongCaptions = Literal["truncate", "split", "sample"]
