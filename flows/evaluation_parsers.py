"""What `diptych evaluate` takes."""

import argparse
from collections.abc import Callable
from pathlib import Path

from flows.seed_said import seed

Add = Callable[..., argparse.ArgumentParser]


def add_evaluate(add: Add) -> None:
    """Add the command."""
    made = add(
        "evaluate",
        "measure a model of open_clip, of transformers or of ours, also one that is served, on sets in CLIP_benchmark's layout",
        _evaluate,
    )
    made.set_defaults(anywhere=True)
    made.add_argument(
        "model", metavar="MODEL",
        help="its folder, or its file of weights with the rest beside it; hf-hub:OWNER/NAME; open_clip's names MODEL/TAG, such as ViT-B-32/laion2b_s34b_b79k; a package's folder; triton:HOST:PORT, a server that runs; or served, "
        "that of this workspace (./served is a folder)",
    )  # fmt: skip
    made.add_argument(
        "--set", metavar="FOLDER", type=Path, action="append", required=True, dest="sets",
        help="with classnames.txt, zeroshot_classification_templates.txt and the split's shards; may be given several times",
    )  # fmt: skip
    made.add_argument("--split", default="test", help="of the sets (test)")
    made.add_argument(
        "--to",
        metavar="DIR",
        type=Path,
        help="for metrics and a row a query, a folder a set; what it has is not measured again",
    )
    made.add_argument(
        "--from",
        dest="library",
        choices=("open_clip", "huggingface"),
        help="whose the model is; read off its files unless given",
    )
    made.add_argument(
        "--network",
        action="store_true",
        help="fetch a model that is named hf-hub:OWNER/NAME or MODEL/TAG where it was not fetched before",
    )
    made.add_argument("--config", metavar="FILE", type=Path, help="their config, where it does not lie beside")
    made.add_argument("--tokenizer", metavar="PATH", type=Path, help="their tokenizer, where it does not lie beside")
    made.add_argument(
        "--namesakes",
        action="store_true",
        help="count classes that are called alike as CLIP_benchmark does, such as ImageNet's two `missile`; an error else",
    )
    made.add_argument(
        "--fit", choices=("probe", "knn", "few_shot"), nargs="+", default=(), dest="fits",
        help="also tell classes by labelled pictures of the set: of its split `train` or, where it has none, of part of the split that is measured",
    )  # fmt: skip
    made.add_argument("--k", metavar="K", type=int, nargs="+", default=(1, 5, 10), help="of recall at k (1 5 10)")
    made.add_argument("--batch", metavar="COUNT", type=int, default=64, help="pictures or texts encoded at once (64)")
    made.add_argument("--seed", type=seed, default=0, help="of the draws that intervals come from (0)")
    made.add_argument("--json", action="store_true", help="print what was found as JSON")


def add_study(add: Add) -> None:
    """Add the command."""
    made = add(
        "study", "put runs side by side, query by query, each number with how far it is from the first's", _study
    )
    made.set_defaults(anywhere=True)
    made.add_argument(
        "runs", metavar="RUN", nargs="+", help="a version such as clip@3, a folder such as runs/clip/evaluate, or several as NAME=RUN,RUN"
    )  # fmt: skip
    made.add_argument("--against", metavar="NAME", help="whom the others are held against; the first unless given")
    made.add_argument(
        "--metric",
        metavar="PATTERN",
        nargs="+",
        default=["*"],
        help="which numbers, such as 'retrieval.*'; all of which rows are kept",
    )
    made.add_argument("--seed", type=seed, default=0, help="of the draws that intervals come from (0)")
    made.add_argument("--json", action="store_true", help="print it as JSON")


def _study(here: Path, arguments: argparse.Namespace) -> int:
    from flows.study import study

    study(here, arguments.runs, arguments.against, arguments.metric, arguments.seed, arguments.json)
    return 0


def _evaluate(here: Path, arguments: argparse.Namespace) -> int:
    from components.recipes.hub import model_place
    from flows.evaluate import Asked, address_of, evaluate

    config, tokenizer, out = (
        None if given is None else here / given for given in (arguments.config, arguments.tokenizer, arguments.to)
    )
    asked = Asked(
        path=model_place(arguments.model, here, arguments.network, arguments.library), address=address_of(arguments.model, here), library=arguments.library, config=config, tokenizer=tokenizer, split=arguments.split,
        namesakes=arguments.namesakes, ks=tuple(arguments.k), fits=tuple(dict.fromkeys(arguments.fits)), seed=arguments.seed, batch=arguments.batch,
    )  # fmt: skip
    evaluate(asked, [here / folder for folder in arguments.sets], out, arguments.json)
    return 0
