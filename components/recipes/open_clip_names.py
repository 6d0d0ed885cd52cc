"""A checkpoint by open_clip's own two names, MODEL/TAG such as `ViT-B-32/laion2b_s34b_b79k`: where it lies on the Hub, by open_clip's table.

The table is asked of open_clip where that is installed. We do not need it to run, and keep no copy of a table that grows.
"""

import difflib
import re

from components.contracts.errors import CapabilityError, ConfigError

NAMES = re.compile(r"(?P<model>[\w.-]+)/(?P<tag>[\w.-]+)")
SHOWN = 5  # tags in a message


def on_hub(said: str) -> str | None:
    """Return owner and name on the Hub of MODEL/TAG; None of what is not of that form, or whose model open_clip does not know.

    Raises ConfigError for a tag that the model has not, and where open_clip is not installed, CapabilityError for weights that are kept as a pickle alone.
    """
    found = NAMES.fullmatch(said)
    if found is None or "" in (found["model"].strip("."), found["tag"].strip(".")):
        return None
    try:
        from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model  # seconds to import
    except ImportError as err:
        raise ConfigError(
            f"there is no folder {said}. If it is meant as open_clip's names of a model and its weights: open_clip, whose table says where these lie, is not "
            "installed here. Give the name that they have on the Hub, such as hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K, or pip install open-clip-torch."
        ) from err
    tags = list_pretrained_tags_by_model(found["model"])
    if not tags:
        return None
    if found["tag"] not in tags:
        near = difflib.get_close_matches(found["tag"], tags, SHOWN) or tags[:SHOWN]
        raise ConfigError(
            f"open_clip has no weights {found['tag']!r} of {found['model']}. Name one that it has, such as {', '.join(near)}."
        )
    owner, _, rest = str(get_pretrained_cfg(found["model"], found["tag"]).get("hf_hub") or "").partition("/")
    name, _, file = rest.partition("/")
    if not name or file:  # a file of its own is a pickle, all of them
        where = f"as {file}, a pickle, in {owner}/{name}" if name else "outside the Hub"
        raise CapabilityError(
            f"open_clip keeps {said} {where}, and neither is fetched. Save it as safetensors with open_clip, open_clip_config.json beside it, and give that folder."
        )
    return f"{owner}/{name}"
