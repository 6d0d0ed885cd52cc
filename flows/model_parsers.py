"""What `diptych model import` and `diptych export` take."""

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[..., argparse.ArgumentParser]
TO = ("open_clip", "hf", "onnx", "triton")


def add_export(add: Add) -> None:
    """Add the command."""
    made = add(
        "export", "write a model as open_clip, transformers, ONNX or Triton reads it, and see that it is the same there", _export
    )  # fmt: skip
    made.set_defaults(anywhere=True)
    made.add_argument(
        "version", metavar="VERSION",
        help="clip@3, or an alias such as clip@champion; or the folder of a model, of a package, or of what diptych adapt left",
    )  # fmt: skip
    made.add_argument("--to", choices=TO, required=True, help="whose; hf is transformers")
    made.add_argument("--out", metavar="DIR", type=Path, required=True, help="a new folder")
    made.add_argument(
        "--variant", choices=("int8", "fp16"),
        help="smaller numbers, for encoders that are 1.5 times as fast with them on this machine and find as before; onnx and triton, of a package",
    )  # fmt: skip
    made.add_argument("--json", action="store_true", help="print what was written and compared as JSON")


def add_model(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", every: argparse.ArgumentParser) -> None:
    """Add `diptych model`."""
    model = commands.add_parser("model", help="take models from other libraries", description="Take models.")
    moves = model.add_subparsers(required=True, metavar="COMMAND")
    does = "make a model of open_clip or transformers one of ours"
    made = moves.add_parser("import", help=does, description=f"{does[0].upper()}{does[1:]}.", parents=[every])
    made.set_defaults(command=_import, anywhere=True)
    made.add_argument("path", metavar="PATH", type=Path, help="their folder, or their file of weights")
    made.add_argument("--from", dest="library", choices=("open_clip", "huggingface"), required=True, help="whose")
    made.add_argument("--to", metavar="DIR", type=Path, required=True, help="a new folder")
    made.add_argument("--json", action="store_true", help="print what it is as JSON")
    made.add_argument("--config", metavar="FILE", type=Path, help="their config, where it does not lie beside")
    made.add_argument("--tokenizer", metavar="PATH", type=Path, help="their tokenizer, where it does not lie beside")


def _export(here: Path, arguments: argparse.Namespace) -> int:
    from flows.export import export

    export(arguments.version, arguments.to, here, here / arguments.out, arguments.json, arguments.variant)
    return 0


def _import(here: Path, arguments: argparse.Namespace) -> int:
    from flows.model import import_model

    config, tokenizer = (None if given is None else here / given for given in (arguments.config, arguments.tokenizer))
    import_model(here / arguments.path, arguments.library, here / arguments.to, config, tokenizer, arguments.json)
    return 0
