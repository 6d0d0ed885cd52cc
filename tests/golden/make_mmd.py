"""Write mmd.json: what alibi-detect's MMD^2 is of two samples, with its kernel over both.

pip install --no-deps --target PEERS alibi-detect
PYTHONPATH=.:PEERS python -m tests.golden.make_mmd

Of the peer only two files are read, since the package as a whole asks for an older numpy.
"""

import json
import sys
import types
from importlib.metadata import distribution
from pathlib import Path

import torch

ROWS, WIDTH = (7, 5), 4


def main() -> None:
    """Ask and write."""
    peer = distribution("alibi-detect")
    for name in ("alibi_detect", "alibi_detect.utils", "alibi_detect.utils.pytorch"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(peer.locate_file(name.replace(".", "/"))))]
        sys.modules[name] = package
    from alibi_detect.utils.pytorch.distance import mmd2_from_kernel_matrix
    from alibi_detect.utils.pytorch.kernels import GaussianRBF

    cases = []
    for seed, moved in ((0, 0.0), (1, 1.5)):
        draw = torch.Generator().manual_seed(seed)
        first, second = (torch.randn(rows, WIDTH, generator=draw, dtype=torch.float64) for rows in ROWS)
        second = second + moved
        both = torch.cat([first, second])
        kernel = GaussianRBF()(both, both, infer_sigma=True)
        found = mmd2_from_kernel_matrix(kernel.detach(), len(second)).item()
        cases.append({"reference": first.tolist(), "now": second.tolist(), "mmd2": found})
    golden = {"peer": f"alibi-detect {peer.version}", "cases": cases}
    Path(__file__).with_name("mmd.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
