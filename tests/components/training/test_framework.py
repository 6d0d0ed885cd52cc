"""Lightning is there, and what it would bring along for its version number alone is not."""

import ast
import subprocess
import sys
from pathlib import Path

import components.training

BROUGHT_ALONG = ("torchmetrics", "transformers", "scipy.signal", "matplotlib")


def test_lightning_comes_without_what_nobody_uses_and_torchmetrics_can_be_had_whole_afterwards():
    code = (
        "import sys\n"
        "from components.training.framework import L\n"
        "print(L.Trainer.__name__, sorted(set(sys.modules) & {*sys.argv[1:]}))\n"
        "import torchmetrics\n"
        "print(float(torchmetrics.MeanMetric()(2.0)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, *BROUGHT_ALONG], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n") == ["Trainer []", "2.0", ""]


def test_lightning_is_imported_in_one_place():
    """Else whoever is imported first would bring along the rest."""
    importing = set()
    for path in Path(components.training.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names.append(node.module or "")
            if any(name.split(".")[0] == "lightning" for name in names):
                importing.add(path.name)
    assert importing == {"framework.py"}
