"""CLIP_benchmark's side: its own command, or its own ranking of random rows; imports nothing of ours.

python clip_benchmark_side.py eval SET MODEL OUT [--no_amp]   # its command; writes what it writes
python clip_benchmark_side.py memory PICTURES TEXTS WIDTH     # its retrieval on random unit rows; the most memory as JSON
python clip_benchmark_side.py versions
"""

import json
import resource
import sys
from importlib.metadata import version

KS = ["1", "5", "10"]


def main() -> None:
    """Do what is asked."""
    asked = sys.argv[1:]
    if asked[0] == "versions":
        print(
            json.dumps(
                {name: version(name) for name in ("clip-benchmark", "open-clip-torch", "torch", "webdataset", "pillow")}
            )
        )
    elif asked[0] == "memory":
        print(json.dumps(memory(*map(int, asked[1:]))))
    else:
        evaluate(*asked[1:4], asked[4:])


def evaluate(where: str, model: str, out: str, flags: list[str]) -> None:
    """Run its command line."""
    from clip_benchmark.cli import main as command

    try:
        with open(f"{where}/dataset_type.txt") as opened:  # noqa: PTH123  # a line of a small file
            task = "zeroshot_retrieval" if opened.read().strip() == "retrieval" else "zeroshot_classification"
    except FileNotFoundError:
        task = "zeroshot_classification"
    sys.argv = [
        "clip_benchmark", "eval", "--dataset", "wds/set", "--dataset_root", where, "--model", f"local-dir:{model}", "--pretrained", "",
        "--task", task, "--recall_k", *KS, "--batch_size", "64", "--num_workers", "0", "--output", out, "--quiet", *flags,
    ]  # fmt: skip
    command()


def memory(pictures: int, texts: int, width: int) -> dict[str, float]:
    """Return the most memory of this process once its evaluation has ranked random rows, as its data loader would bring them."""
    import torch
    from clip_benchmark.metrics import zeroshot_retrieval

    each, batch = texts // pictures, 64
    torch.manual_seed(0)

    class Drawn(torch.nn.Module):
        def encode_image(self, rows: torch.Tensor) -> torch.Tensor:
            return torch.randn(len(rows), width)

        encode_text = encode_image

    sizes = [min(batch, pictures - first) for first in range(0, pictures, batch)]
    loader = [(torch.zeros(size, 1), [["a"] * each] * size) for size in sizes]
    found = zeroshot_retrieval.evaluate(
        Drawn(), loader, lambda words: torch.zeros(len(words), 1), "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "pictures": pictures, "texts": texts, "peak_gb": round(used.ru_maxrss * 1024 / 1e9, 3), "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "recall_at_1": found["image_retrieval_recall@1"],
    }  # fmt: skip


if __name__ == "__main__":
    main()
