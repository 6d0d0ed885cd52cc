"""The ways to tune that can race, and those to tell labels apart that need no tuning: each with the numbers that it takes, by name."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from components.contracts.errors import ConfigError
from components.finetuning.continued import UNKNOWN, Continued
from components.finetuning.feature_adapter import FeatureAdapter
from components.finetuning.image_prompt import ImagePrompt
from components.finetuning.labels.cache import Cache
from components.finetuning.labels.linear_probe import LinearProbe
from components.finetuning.labels.prompt_ensemble import PromptEnsemble
from components.finetuning.labels.soft_prompt import SoftPrompt
from components.finetuning.labels.way import LabelWay
from components.finetuning.last_layers import LastLayers
from components.finetuning.locked import LockedImage
from components.finetuning.locked_text import LockedText
from components.finetuning.lora import Lora
from components.finetuning.race import PROMPT_SHARE
from components.finetuning.strategy import Strategy
from components.finetuning.whole import Whole
from components.training.numbers import Optimisation

USUAL = ("lora", "last layers", "locked image", "whole")
CONTINUED = "continued"


def ways(as_trained: Optimisation = UNKNOWN) -> dict[str, Strategy]:
    """Return the ways to tune that can race, what changes least of a model first: so they are tried, and of equals the first is preferred.

    Args:
        as_trained: what the start was trained by, with which training goes on.
    """

    def rate(lr: float, layer_decay: float = 1.0) -> Optimisation:
        return Optimisation(lr=lr, weight_decay=0.1, warmup=0.1, layer_decay=layer_decay)

    alone = {"share": 1.0, "alphas": (1.0,)}
    return {
        "feature adapter": FeatureAdapter(optimisation=rate(1e-3), ratio=0.5, **alone),  # type: ignore[arg-type]
        "image prompt": ImagePrompt(optimisation=rate(1e-2), **alone),  # type: ignore[arg-type]
        "lora": Lora(optimisation=rate(1e-3), **alone),  # type: ignore[arg-type]  # a literal
        "last layers": LastLayers(optimisation=rate(3e-4), **alone),  # type: ignore[arg-type]
        "locked image": LockedImage(optimisation=rate(3e-4), **alone),  # type: ignore[arg-type]
        "locked text": LockedText(optimisation=rate(3e-4), **alone),  # type: ignore[arg-type]
        "whole": Whole(optimisation=rate(1e-4, 0.75), **alone),  # type: ignore[arg-type]
        CONTINUED: Continued(optimisation=as_trained, **alone),  # type: ignore[arg-type]
    }


def usual(replay: float) -> tuple[str, ...]:
    """Return the names of the ways that race unless something is said: where general pictures are learnt from again, training that goes on, too."""
    return (*USUAL, CONTINUED) if replay else USUAL


def taking_part(names: Sequence[str], as_trained: Optimisation = UNKNOWN) -> dict[str, Strategy]:
    """Return the ways of these names, as of `ways`; ConfigError for one that there is not, or none."""
    known = ways(as_trained)
    if wrong := [name for name in names if name not in known]:
        raise ConfigError(
            f"there is no way to tune that is called {wrong[0]!r}. There are {', '.join(known)}; did you mean {get_close_matches(wrong[0], known, 1, 0)[0]}?"
        )
    if not names:
        raise ConfigError(f"no way to tune takes part. Name one at least, such as {next(iter(known))}.")
    return {name: way for name, way in known.items() if name in names}


def label_ways(budget_s: float) -> dict[str, LabelWay]:
    """Return the ways to tell labels apart that need no tuning, the cheapest first; all begin with what the first comes to."""
    return {
        "prompt ensemble": PromptEnsemble(),
        "cache": Cache(),
        "linear probe": LinearProbe(),
        "soft prompt": SoftPrompt(most_s=PROMPT_SHARE * budget_s),
    }


def called(way: str, part: Mapping[str, Strategy]) -> str:
    """Return how a person reads a way, and what came on top of it: `LoRA r=8 + linear probe`."""
    tuned, plus, on_top = way.partition(" + ")
    return f"{(part[tuned].called if tuned in part else '') or tuned}{plus}{on_top}"
