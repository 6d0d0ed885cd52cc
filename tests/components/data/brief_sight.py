"""The process that looks at pictures for ingest, with far less patience."""

import sys

from components.data.seen import Seeing
from components.data.sight import answer

if __name__ == "__main__":
    answer(int(sys.argv[1]), Seeing(), cpu_s=1.0)
