"""`diptych evaluate` beside CLIP_benchmark: the same checkpoint of open_clip, the same sets in its layout, numbers, time and memory.

    python -m tests.benchmarks.clip_benchmark --sets kinds said alike --json docs/benchmarks/clip-benchmark.json
    python -m tests.benchmarks.clip_benchmark --only sides --pictures 4000 --sets said --turns 1 --float32-alone   # larger sets
    python -m tests.benchmarks.clip_benchmark --only sides --model ViT-B-32 --pictures 64 --colours 1 --turns 1 --float32-alone   # a model as large as people have

Sets are scenes: one thing a picture, asked for among all kinds by 80 templates (`kinds`), and three to five things with up to five captions each, no two alike
(`said`). `alike`, which must be asked for, has the pictures of `kinds` in hundreds of classes, many of which are called as another is (ImageNet has two such pairs). The model is open_clip's, with random weights that were trained for a few steps, so answers are hardly better than chance, and near each other; CLIP_benchmark is run in
float32 (`--no_amp`), as ours is, with no worker processes, whose start would count against it. Turns of both alternate; seconds are by the clock and of the processor, children
included, and the best turn's, start to end of the command. Memory is the most that a process of its own ever held (VmHWM): ours ranks 50,000 random unit rows
among 250,000 and back, theirs does the same with fewer, since it keeps all scores, and which of them belong together, as matrices.
Prints one JSON object as its last line.
"""

import argparse
import importlib.resources
import json
import multiprocessing
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from components.data.synthetic.brush import draw
from components.data.synthetic.scenes import ScenesSource
from components.data.synthetic.words import COLOURS
from components.evaluation.ranking import Cosines
from components.evaluation.retrieval import Gallery, retrieval
from infra.results import processor
from tests.benchmarks.environments import ROOT, python_of
from tests.benchmarks.loader import commit
from tests.squares import png
from tests.their_sets import write_set

SIDE = Path(__file__).with_name("peers") / "clip_benchmark_side.py"
KS = (1, 5, 10)
SMALL = {  # a model that one core trains in a minute
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 128, "layers": 3, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 4, "layers": 3},
}
SHOWN = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
KINDS = {"captions": ("short", "dense", "long", "alt", "attr"), "tested": ("short", "dense", "long", "alt", "attr")}
ADJECTIVES = ("good", "bad", "large", "small", "clean", "dirty", "bright", "dark", "cropped", "close-up")
FRAMES = (
    "a {} photo of a {{c}}.", "a {} photo of the {{c}}.", "a {} picture of a {{c}}.", "a {} drawing of the {{c}}.", "itap of a {} {{c}}.",
    "a {} rendering of a {{c}}.", "the {} {{c}} in a picture.", "there is a {} {{c}} here.",
)  # fmt: skip
TEMPLATES = tuple(frame.format(adjective) for frame in FRAMES for adjective in ADJECTIVES)  # 80, as ImageNet has
COUNTED = {"top1": "acc1", "top5": "acc5", "mean_per_class": "mean_per_class_recall"}
CLASSIFIED = ("kinds", "alike")
THEIRS = {
    **{f"zero_shot.{name}.class.{ours}": theirs for name in CLASSIFIED for ours, theirs in COUNTED.items()},
    **{f"retrieval.said.text_to_image.recall_at_{k}": f"image_retrieval_recall@{k}" for k in KS},
    **{f"retrieval.said.image_to_text.recall_at_{k}": f"text_retrieval_recall@{k}" for k in KS},
}


def main() -> None:
    """Draw, train, run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000, help="of each set (1000)")
    parser.add_argument(
        "--colours", type=int, default=len(COLOURS), help="a class is a colour and one of eight shapes (8)"
    )
    parser.add_argument(
        "--model",
        help="of open_clip's model_configs, with random weights; a small one, trained for a moment, unless given",
    )
    parser.add_argument("--steps", type=int, default=150, help="that the small one is trained for (150)")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--float32-alone", action="store_true", help="leave out CLIP_benchmark's own precision (amp)")
    parser.add_argument(
        "--sets", nargs="+", choices=("kinds", "said", "alike"), default=("kinds", "said"), help="which (kinds said)"
    )
    parser.add_argument("--only", choices=("sides", "memory"), help="one half of it")
    parser.add_argument("--json", type=Path, help="a file, of which what is not measured now stays")
    parser.add_argument("--under", help="a name of its own there")
    given = parser.parse_args()
    told: dict[str, Any] = {"bench": "clip_benchmark"}
    if given.only != "memory":
        with tempfile.TemporaryDirectory() as place:
            folder, model = Path(place), Path(place) / "model"
            sets = draw_sets(folder, given.pictures, given.colours)
            made = make_model(model, given.model, sets, given.steps)
            classes = len((sets["kinds"] / "classnames.txt").read_text().splitlines())
            told |= {"pictures": given.pictures, "classes": classes, "templates": len(TEMPLATES)}
            told |= {"model": given.model or f"small, {given.steps} steps", "parameters": made}
            told |= side_by_side(
                model, {name: sets[name] for name in given.sets}, folder, given.turns, amp=not given.float32_alone
            )
    if given.only != "sides":
        told["memory"] = memory()
    told |= {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {processor()}", "torch": torch.__version__, "commit": commit(), "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "-m", "tests.benchmarks.clip_benchmark", *sys.argv[1:]]),
    }  # fmt: skip
    if given.json:
        kept = json.loads(given.json.read_text()) if given.json.exists() else {}
        kept |= {given.under: told} if given.under else told
        given.json.write_text(json.dumps(kept, indent=2) + "\n")
    print(json.dumps(told))


def draw_sets(
    folder: Path, pictures: int, colours: int, size_px: int = 128, templates: Sequence[str] = TEMPLATES
) -> dict[str, Path]:
    """Write `kinds`, to classify, `said`, to retrieve, whose captions all differ, and `alike`, to classify with names that do not."""
    palette = tuple(COLOURS)[:colours]
    one = ScenesSource(
        pictures=pictures, regions=False, scene={"things": [1, 1], "size_px": size_px, "colours": palette}
    )
    scenes = [shown.scene for shown in one.shown(0)]
    names = [" ".join(scene.things[0].kind) for scene in scenes]
    classes = sorted(set(names))
    rows = [
        {"jpg": as_jpeg(scene), "cls": str(classes.index(name)).encode()}
        for scene, name in zip(scenes, names, strict=True)
    ]
    kinds = write_set(folder / "kinds", rows, classes, templates, each=500)
    numbered = [f"{name}, number {place % 8}" for place, name in enumerate(names)]
    owned = sorted(set(numbered))  # what is called number 7 is told from number 6 by its line alone
    rows = [row | {"cls": str(owned.index(name)).encode()} for row, name in zip(rows, numbered, strict=True)]
    alike = write_set(
        folder / "alike", rows, [name.replace("number 7", "number 6") for name in owned], templates[:8], each=500
    )
    several = ScenesSource(pictures=pictures, regions=False, scene={"things": [3, 5], "size_px": size_px}, **KINDS)  # type: ignore[arg-type]
    seen: set[str] = set()
    rows = []
    for shown in several.shown(0):
        new = [text for text in dict.fromkeys(caption.text for caption in shown.captions) if text not in seen]
        seen.update(new)
        rows.append({"jpg": as_jpeg(shown.scene), "txt": "\n".join(new).encode()})
    return {"kinds": kinds, "said": write_set(folder / "said", rows, each=500), "alike": alike}


def as_jpeg(scene: Any) -> bytes:
    """Return the scene's picture, wider than tall as photographs are, so that how it is cropped counts."""
    drawn = Image.fromarray(draw(scene))
    return png(drawn.resize((drawn.width * 4 // 3 + 1, drawn.height)), "JPEG", quality=90)


def make_model(folder: Path, name: str | None, sets: Mapping[str, Path], steps: int) -> int:
    """Write a folder as open_clip's hub has it; return how many numbers the model has. The tokenizer is CLIP's, which open_clip brings."""
    import open_clip

    torch.manual_seed(0)
    config = dict(open_clip.get_model_config(name)) if name else SMALL
    model = open_clip.CLIP(**config)
    if not name:
        train(model, sets["said"], steps)
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": SHOWN}))
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    words = importlib.resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    (folder / "bpe_simple_vocab_16e6.txt.gz").write_bytes(words.read_bytes())
    return sum(weight.numel() for weight in model.parameters())


def train(model: Any, said: Path, steps: int, batch: int = 64) -> None:
    """Show the model pairs of the set: what it is measured on, since only that it sees differences matters here."""
    import open_clip

    from components.data.evaluation_set import read_set
    from components.data.transforms.preprocess import Preprocess

    pool, shown, tokens = (
        read_set(said).pool,
        Preprocess(size=SMALL["vision_cfg"]["image_size"]),
        open_clip.SimpleTokenizer(),
    )  # type: ignore[index]
    luck = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    for _ in range(steps):
        places = luck.choice(len(pool), min(batch, len(pool)), replace=False)
        pixels = torch.from_numpy(np.stack([shown(pool.pictures[int(place)]) for place in places])).float() / 127.5 - 1
        image, text, scale = model(pixels, tokens([pool.captions[place][0] for place in places]))
        logits, pairs = scale * image @ text.T, torch.arange(len(image))
        loss = (
            torch.nn.functional.cross_entropy(logits, pairs) + torch.nn.functional.cross_entropy(logits.T, pairs)
        ) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def side_by_side(model: Path, sets: Mapping[str, Path], folder: Path, turns: int, amp: bool) -> dict[str, Any]:
    """Return both sides' numbers, the largest difference, and seconds by set."""
    python = python_of("clip_benchmark")
    numbers: dict[str, dict[str, float]] = {"ours": {}, "theirs": {}}
    spent: dict[str, dict[str, list[Took]]] = {name: {} for name in sets}
    for turn in range(turns):
        for name, where in sets.items():
            out = folder / f"ours-{turn}"
            ours = [sys.executable, "-m", "flows.cli", "evaluate", model, "--set", where, "--to", out, "--k", *map(str, KS), "--namesakes"]  # fmt: skip
            spent[name].setdefault("ours", []).append(took(ours))
            metrics = json.loads((out / name / "metrics.json").read_text())
            numbers["ours"] |= {key: its["value"] for key, its in metrics.items()}
            for case, flags in {"theirs": ["--no_amp"], **({} if turn or not amp else {"theirs, amp": []})}.items():
                file = folder / f"theirs-{turn}-{name}.json"
                spent[name].setdefault(case, []).append(took([python, SIDE, "eval", where, model, file, *flags]))
                if case == "theirs":
                    numbers["theirs"] |= {
                        f"{name}.{key}": value for key, value in json.loads(file.read_text())["metrics"].items()
                    }
    pairs = {
        ours: (numbers["ours"][ours], numbers["theirs"][f"{ours.split('.')[1]}.{theirs}"])
        for ours, theirs in THEIRS.items()
        if ours in numbers["ours"]
    }
    apart = max(abs(one - other) for one, other in pairs.values())
    return {
        "numbers": {name: {"ours": one, "theirs": other} for name, (one, other) in pairs.items()}, "largest_difference": apart,
        **{
            measure: {name: {case: round(best(its, measure), 1) for case, its in cases.items()} for name, cases in spent.items()}
            for measure in ("cpu_s", "seconds")
        },
        "all_turns": {name: {case: [asdict(one) for one in its] for case, its in cases.items()} for name, cases in spent.items()},
        "times_as_fast": {
            name: {
                case: {measure: round(best(its[case], measure) / best(its["ours"], measure), 2) for measure in ("cpu_s", "seconds")}
                for case in its if case != "ours"
            }
            for name, its in spent.items()
        },
        "versions": json.loads(subprocess.run([python, SIDE, "versions"], capture_output=True, text=True, check=True).stdout),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Took:
    """What one run of a command took.

    Args:
        seconds: by the clock.
        cpu_s: of the processor, its children's included.
    """

    seconds: float
    cpu_s: float


def best(turns: Sequence[Took], measure: str) -> float:
    """Return the least."""
    return min(getattr(turn, measure) for turn in turns)


def took(command: Sequence[Any]) -> Took:
    """Run a command and return what it took; RuntimeError with its words where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as words:
        running = subprocess.Popen(
            [str(word) for word in command], stdout=words, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
        )
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            words.seek(0)
            raise RuntimeError(f"{command[:4]} failed: {words.read().decode()[-2000:]}")
    return Took(seconds=round(time.perf_counter() - began, 2), cpu_s=round(used.ru_utime + used.ru_stime, 2))


def ranked(pictures: int, each: int, width: int) -> dict[str, Any]:
    """Return the most memory that this process held, and its seconds, to rank random unit rows both ways by our evaluator."""
    draws = np.random.default_rng(0)

    def unit(count: int) -> np.ndarray:
        rows = draws.standard_normal((count, width), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    image, text = unit(pictures), unit(pictures * each)
    names = [str(number) for number in range(pictures)]
    gallery = Gallery.of(names, [[f"{name}, {number}" for number in range(each)] for name in names], names)
    began = time.process_time()
    metrics, _ = retrieval("random", gallery, Cosines(left=image, right=text), None, KS)
    held = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return {
        "pictures": pictures, "texts": pictures * each, "width": width, "peak_gb": round(held * 1024 / 1e9, 3), "cpu_s": round(time.process_time() - began, 1),
        "mean_recall": metrics[-1].value,
    }  # fmt: skip


def memory(
    pictures: int = 50_000, theirs: Sequence[int] = (1_000, 2_000, 4_000), each: int = 5, width: int = 512
) -> dict[str, Any]:
    """Return what ranking takes on both sides, a process a case; theirs at fewer pictures, and what its matrices come to at the most."""
    ours = []
    for count in (theirs[-1], pictures):
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            ours.append(alone.apply(ranked, (count, each, width)))
    python, found = python_of("clip_benchmark"), []
    for count in theirs:
        asked = [python, SIDE, "memory", str(count), str(count * each), str(width)]
        found.append(
            json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        )
    pairs = pictures * pictures * each
    return {
        "ours": ours,
        "theirs": found,
        "theirs_matrices_gb_at_ours": round(pairs * (4 + 1) / 1e9, 1),
    }  # float32, and bool


if __name__ == "__main__":
    main()
