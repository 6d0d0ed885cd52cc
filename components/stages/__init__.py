"""One entry for each stage of dvc.yaml, and the frame that all of them run in (`runtime`)."""

from components.stages.garbage import collect_later

collect_later()
