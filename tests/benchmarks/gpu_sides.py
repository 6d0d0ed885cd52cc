"""The sides of the GPU benchmark: open_clip's model and loss in a plain loop, and ours by `train`, from memory and from JPEG shards.

Both have the same weights, drawn by open_clip and imported by us. In memory one batch lies on the device, so that nothing but the steps
is timed; from shards it is our whole way: decoded once into the cache, moved as bytes, shown on the device.
Axes: B pairs, L tokens, P pixels a side.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode

from components.contracts.batch import Batch, Images, Texts
from components.contracts.errors import CapabilityError
from components.contracts.progress import silent
from components.contracts.text_pick import CAPTION
from components.data.batches import StepBatches
from components.data.manifest import read_manifest
from components.data.rows.cache import RowCache
from components.data.rows.decoded import decode_pairs
from components.data.samplers.distinct import DistinctBatches
from components.data.selection import distinct, read_pool
from components.data.tokenizers import Vocabulary
from components.data.transforms.preprocess import Preprocess
from components.data.transforms.views import Views
from components.methods.clip import Clip
from components.models.dual_encoder import DualEncoder
from components.models.interop import open_clip as names
from components.objectives.softmax import SoftmaxLoss
from components.recipes.recipe import load_recipe
from components.recipes.section import build
from components.stages.selected import KEPT
from components.training.device import precision
from components.training.numbers import Optimisation, Scale
from components.training.receipts import peak_flops, peak_memory_bytes
from components.training.train import Trained, train
from tests.benchmarks.environments import ROOT
from tests.benchmarks.loader import snapshot
from tests.benchmarks.peers.step_data import MEAN, STD
from tests.benchmarks.photographs import write_tars

LR, DECAY, BETAS, EPS = 1e-4, 0.2, (0.9, 0.98), 1e-6
WARM = 0.25  # share of the steps that is not timed: kernels are chosen and memory is taken in them
Config = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What a side took.

    Args:
        images_per_s: of the steps that were timed.
        mfu: share of what the chip could have done meanwhile, in [0, 1].
        flops_per_step: forward and backward, counted by torch.
        peak_memory_bytes: most that was held at once.
        losses: the first and the last.
    """

    images_per_s: float
    mfu: float
    flops_per_step: int
    peak_memory_bytes: int
    losses: tuple[float, float]

    def as_json(self) -> dict[str, Any]:
        """Return it for the table."""
        return asdict(self) | {"images_per_s": round(self.images_per_s, 1), "mfu": round(self.mfu, 4)}


class OnDevice(Batch):
    """A batch that lies where it is wanted."""

    __slots__ = ()

    def pin_memory(self) -> Self:
        return self


class Again(Dataset[Batch]):
    """The same batch at every step: what our loop takes for the batches of a training."""

    def __init__(self, pixels: Tensor, ids: Tensor) -> None:
        self.batch = OnDevice(
            keys=tuple(map(str, range(len(ids)))), images={"main": Images(pixels=pixels)},
            texts={"caption": Texts(ids=ids, mask=ids != 0)},
        )  # fmt: skip
        self.order = SimpleNamespace(batch=len(ids), steps_per_epoch=1)
        self.captions = {CAPTION: SimpleNamespace(tokens=ids.flatten().cpu(), begin=torch.tensor([0, ids.shape[1]]))}

    def made_for(self, share: object, *, late: bool) -> "Again":
        """One rank, and pictures that are shown already."""
        return self

    def __getitem__(self, step: int) -> Batch:
        return self.batch


def drawn(config: Config, batch: int, device: str) -> tuple[Tensor, Tensor]:
    """Return pixels [B 3 P P] in [0, 1], and ids [B L] of captions as long as the context, each with a start and an end."""
    side, words = config["vision_cfg"]["image_size"], config["text_cfg"]["vocab_size"]
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(1, words - 2, (batch, config["text_cfg"]["context_length"]), generator=draw)
    ids[:, 0], ids[:, -1] = words - 2, words - 1
    torch.manual_seed(0)
    return torch.rand(batch, 3, side, side, device=device), ids.to(device)


def theirs_of(config: Config) -> nn.Module:
    """Return open_clip's model, its weights drawn from a seed."""
    from open_clip.model import CLIP

    torch.manual_seed(0)
    return CLIP(**config, output_dict=True)


def ours_of(config: Config) -> DualEncoder:
    """Return the same model as ours."""
    weights = theirs_of(config).state_dict()
    said = {"model_cfg": config, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    model = build(names.described(said, weights), DualEncoder)
    model.load_state_dict(names.take(model, weights))
    return model


def open_clip(config: Config, batch: int, steps: int, device: str) -> Timed:
    """Time open_clip's model and loss, with the optimizer, groups and autocast that its `main` makes, in a plain loop."""
    from open_clip.loss import ClipLoss

    model, loss = theirs_of(config).to(device).train(), ClipLoss()
    decayed = {id(p) for name, p in model.named_parameters() if p.ndim > 1 and "logit_scale" not in name}
    groups = [
        {"params": [p for p in model.parameters() if (id(p) in decayed) == decays], "weight_decay": DECAY * decays}
        for decays in (False, True)
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, eps=EPS)
    pixels, ids = drawn(config, batch, device)
    mean, std = (torch.tensor(numbers, device=device).view(3, 1, 1) for numbers in (MEAN, STD))
    pixels = (pixels - mean) / std
    numbers, warm = precision("auto"), round(steps * WARM)
    counter, began_s = FlopCounterMode(display=False), 0.0
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    losses = []
    for step in range(steps):
        if step == warm:
            began_s = now(device)
        optimizer.zero_grad()
        if step == 0:
            counter.__enter__()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=numbers.startswith("bf16")):
            value = loss(**model(pixels, ids), output_dict=True)["contrastive_loss"]
        value.backward()
        if step == 0:
            counter.__exit__(None, None, None)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, 4.6052)  # type: ignore[operator, union-attr]
        if step in (0, steps - 1):
            losses.append(value.detach())
    rate = (steps - warm) / (now(device) - began_s)
    flops = counter.get_total_flops()
    return Timed(
        images_per_s=batch * rate, mfu=flops * rate / peak_flops(numbers), flops_per_step=flops,
        peak_memory_bytes=peak_memory_bytes(), losses=(float(losses[0]), float(losses[-1])),
    )  # fmt: skip


def ours(config: Config, batch: int, steps: int, device: str, folder: Path) -> Timed:
    """Time ours on the same batch: the recipe's method, the loop that trains everything here, its guards and curves."""
    return trained(
        Clip(ours_of(config), SoftmaxLoss()), Again(*drawn(config, batch, device)), config, steps, 0, folder
    )[0]


def from_shards(config: Config, batch: int, steps: int, workers: int, folder: Path) -> dict[str, Any]:
    """Return what training from JPEGs in tars takes: images a second, and the share of the time that was waited for them.

    The batch is halved until there is room for the views as well, which are made on the device.
    """
    pixels, count = config["vision_cfg"]["image_size"], 2 * batch
    raw = snapshot(write_tars(folder / "tars", count, (500, 375)), folder / "raw")
    pool = read_pool(read_manifest(raw / "manifest.parquet"), raw)
    captions = distinct([text for texts in pool.captions for text in texts])
    vocabulary = Vocabulary.train(captions, 1024, config["text_cfg"]["context_length"])
    (folder / "cache").mkdir()
    began_s = time.perf_counter()
    pairs = decode_pairs(
        pool, Preprocess(size=round(pixels * KEPT)), silent, RowCache(folder=folder / "cache"), max(1, workers)
    )
    decoded_s = time.perf_counter() - began_s
    views = build({**load_recipe(ROOT, "clip", "laptop").training.views, "pixels": pixels}, Views)

    def at(rows: int) -> tuple[Timed, list[float]]:
        batches = StepBatches(pairs, vocabulary, views, DistinctBatches(pairs.concepts, rows, seed=0), seed=0)
        return trained(Clip(ours_of(config), SoftmaxLoss()), batches, config, steps, workers, folder)

    done = attempted(lambda: at(batch))
    while done is None and batch >= 4:
        batch //= 2
        done = attempted(partial(at, batch))
    if done is None:
        raise RuntimeError(f"there is no room to train from shards, not even with a batch of {batch}.")
    timed, waits = done
    return {
        "batch": batch, "images_per_s": round(timed.images_per_s, 1), "data_wait": round(statistics.median(waits), 4),
        "pictures": count, "workers": workers, "decoded_before_s": round(decoded_s, 1),
    }  # fmt: skip


def trained(
    method: Clip, batches: Any, config: Config, steps: int, workers: int, folder: Path
) -> tuple[Timed, list[float]]:
    """Train, and return what it took and the shares of the time that were waited for data, a share every fifth step."""
    warm, marks = round(steps * WARM), {}
    losses: dict[int, float] = {}
    waits: list[float] = []

    def progress(doing: str, done: int, total: int, **seen: float) -> None:
        marks[done], losses[done] = time.perf_counter(), seen["loss"]  # which was read from the device

    def log(step: int, values: Mapping[str, float]) -> None:
        if step > warm and "speed.data_wait" in values:
            waits.append(values["speed.data_wait"])

    scale = Scale(
        batch=batches.order.batch, steps=steps, pixels=config["vision_cfg"]["image_size"], watch_every=steps,
        checkpoint_every=steps, curve_every=min(5, steps - warm), workers=workers,
    )  # fmt: skip
    (folder / "checkpoints").mkdir(exist_ok=True)
    done: Trained = train(
        method, batches, Optimisation(lr=LR, weight_decay=DECAY, betas=BETAS, eps=EPS, warmup=0, schedule="constant"), scale, seed=0,
        folder=folder / "checkpoints", progress=progress, log=log, watch=lambda model: {},
    )  # fmt: skip
    rate, receipt = (steps - warm) / (marks[steps] - marks[warm]), done.receipt
    timed = Timed(
        images_per_s=scale.batch * rate, mfu=receipt.flops_per_step * rate / receipt.peak_flops,
        flops_per_step=receipt.flops_per_step, peak_memory_bytes=receipt.peak_memory_bytes, losses=(losses[1], losses[steps]),
    )  # fmt: skip
    return timed, waits


def attempted(run: Callable[[], T]) -> T | None:
    """Return what a side gives, None when there was no memory for it; what it held is given back before the next one."""
    try:
        return run()
    except torch.OutOfMemoryError:
        return None
    except CapabilityError as err:  # as `train` says it
        if isinstance(err.__cause__, torch.OutOfMemoryError):
            return None
        raise
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def now(device: str) -> float:
    """Return the time at which all that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
