"""A model to be measured that somebody hands over: a folder of open_clip, of transformers or of ours, a package, or a server that runs."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from components.contracts.errors import DataError
from components.contracts.evaluator import Encoder
from components.contracts.model_files import MODEL, WEIGHTS
from components.contracts.sealed import MANIFEST, digest_of, sha256_of
from components.evaluation.embedding import Embedder
from components.models.dual_encoder import DualEncoder
from components.models.interop.weights import PICKLED
from components.recipes.interop import as_ours
from components.recipes.section import build
from components.recipes.their_files import CONFIGS, Library, read_theirs
from components.recipes.their_files import WEIGHTS as THEIR_WEIGHTS
from components.recipes.trained import described_in, load_trained, load_untrained
from components.serving.package import Package

PACKED = "image_encoder.onnx"
TOLD = "`diptych evaluate` and `diptych model import` are told by --from open_clip or --from huggingface whose it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenModel:
    """A model with what is needed to name it.

    Args:
        library: whose it is: open_clip, huggingface or diptych; or what it is: package or triton.
        named: the name of its file of weights, or what is asked of a server.
        sha256: of that file, which of weights in several parts names these; the digest of a package, also of one that is served.
        encoder: the model, with its tokenizer and transform.
        untrained: gives the same architecture with weights drawn from a seed; Undrawn of what is packaged.
        described: `class_path` and `init_args` of the model; None of one that cannot be trained on.
        check_same: raises DataError where the model is not the one that it was, which a server's may be.
    """

    library: str
    named: str
    sha256: str
    encoder: Encoder
    untrained: Callable[[int], Encoder]
    described: Mapping[str, Any] | None = None
    check_same: Callable[[], None] = lambda: None

    @property
    def digest(self) -> str:
        """Return one digest of all that makes it, as it is now: weights, architecture, tokenizer and transform; of what cannot be trained on, `sha256`."""
        if not isinstance(self.encoder, Embedder) or self.described is None:
            return self.sha256
        vocabulary = self.encoder.vocabulary
        said = {
            "architecture": json.dumps(self.described, sort_keys=True), "tokenizer": f"{vocabulary.pad} {vocabulary.tokenizer.to_str()}",
            "transform": self.encoder.preprocess.to_json(),
        }  # fmt: skip
        files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in said.items()}
        for name, value in self.encoder.model.state_dict().items():
            files[f"weights/{name}"] = hashlib.sha256(save({name: value.detach().cpu().contiguous()})).hexdigest()
        return digest_of(files)


def read_given(
    path: Path, library: Library | None = None, config: Path | None = None, tokenizer: Path | None = None, batch: int = 256
) -> GivenModel:  # fmt: skip
    """Read a folder, a package's too, or a file of weights with the rest beside it; nothing is written.

    Args:
        path: the folder or file.
        library: whose it is; None reads that off the files of a folder.
        config: where theirs lies, if not beside.
        tokenizer: likewise.
        batch: rows encoded at once.

    Raises DataError, ConfigError, CapabilityError or StaleArtifact for what cannot be read.
    """
    if library is None and (path / MODEL).is_file():
        return GivenModel(
            library="diptych", named=WEIGHTS, encoder=load_trained(path, batch), sha256=sha256_of(path / WEIGHTS),
            untrained=lambda seed: load_untrained(path, seed, batch), described=described_in(path),
        )  # fmt: skip
    if library is None and all((path / name).is_file() for name in (MANIFEST, PACKED)):
        from components.serving.measured import MeasuredPackage, Undrawn  # onnxruntime, which no other model needs

        package = Package.verify(path)
        return GivenModel(
            library="package", named=path.resolve().name, sha256=package.digest, encoder=MeasuredPackage(package, batch),
            untrained=lambda seed: Undrawn(),
        )  # fmt: skip
    whose = library or library_of(path)
    theirs = read_theirs(path, whose, config, tokenizer)
    embedder = as_ours(theirs, batch)

    def untrained(seed: int) -> Embedder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = build(theirs.described, DualEncoder).eval()
        return Embedder(model, embedder.vocabulary, embedder.preprocess, batch)

    return GivenModel(
        library=whose, named=theirs.source.name, sha256=sha256_of(theirs.source), encoder=embedder, untrained=untrained,
        described=theirs.described,
    )  # fmt: skip


@contextmanager
def asked_of(address: str, batch: int = 256) -> Iterator[GivenModel]:
    """Give what runs at host:port while it is measured.

    Raises TransientError where nobody answers, NotServed where a model is not ready, CapabilityError where its vectors cannot be compared.
    """
    from components.serving.measured import MeasuredServer, Undrawn  # gevent, which no other model needs

    with MeasuredServer(address, batch) as server:
        offer = server.offer
        yield GivenModel(
            library="triton", named="embed_image and embed_text" if offer.digest else address, sha256=offer.digest, encoder=server,
            untrained=lambda seed: Undrawn(), check_same=server.check_same,
        )  # fmt: skip


def library_of(path: Path) -> Library:
    """Return whose folder or file it is: by its config, or where it has both libraries', by what its weights are called.

    Raises DataError where it has no config, or both with weights that do not tell either, and for a pickle that nothing lies beside.
    """
    beside = path if path.is_dir() else path.parent
    found: list[Library] = [library for library, name in _CONFIGS if (beside / name).is_file()]
    if len(found) > 1:
        there = {path.name} if path.is_file() else {file.name for file in path.iterdir()}
        named: list[Library] = [library for library in found if there & set(THEIR_WEIGHTS[library])]
        found = named if len(named) == 1 else found
    if len(found) != 1:
        names = " nor ".join(name for _, name in _CONFIGS)
        if found:
            both = " and ".join(name for _, name in _CONFIGS)
            files = " or ".join(THEIR_WEIGHTS[library][0] for library in found)
            raise DataError(
                f"{beside} has both {both}, so nobody knows whose model is meant. Name its file of weights in place of the folder, {files}, as that "
                f"library calls it; {TOLD}."
            )
        if path.suffix in PICKLED and path.is_file():
            raise DataError(
                f"{path} is a pickle, which may run code when it is read, and beside it lies no config that says what its weights are of, so it is "
                f"not opened. Where you trust it, convert it: open it with the library that wrote it, and save config and weights as safetensors, in "
                f"transformers by model.save_pretrained(DIR), in open_clip by open_clip.push_to_hf_hub.save_for_hf(model, tokenizer, config, DIR). "
                f"Then give DIR in its place. A state_dict alone is read with a config that you name: diptych model import {shlex.quote(str(path))} --from open_clip "
                "--config FILE --tokenizer FILE --to DIR"
            )
        raise DataError(
            f"{beside} has neither {names}, nor {MODEL} as models of ours have, so nobody knows whose model it is. Give the folder that its library "
            f"wrote, with config and tokenizer beside the weights; {TOLD}, and by --config and --tokenizer where these lie."
        )
    return found[0]


_CONFIGS: tuple[tuple[Library, str], ...] = (
    ("open_clip", CONFIGS["open_clip"]),
    ("huggingface", CONFIGS["huggingface"]),
)
