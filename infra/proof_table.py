"""The table of recipes and verdicts in docs/proofs.md, rendered from the cards of recipes and docs/proofs/*.json.

python -m infra.proof_table --write      # render it
python -m infra.proof_table              # say whether the page shows them as they are, exit 1 if not
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.recipes import PROOFS, of_proof, recipes

PAGE = "docs/proofs.md"
START, END = "<!-- verdicts: python -m infra.proof_table --write -->", "<!-- end of verdicts -->"


def main() -> int:
    """Write or compare, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"render into {PAGE}")
    arguments, root = parser.parse_args(), Path.cwd()
    page = root / PAGE
    text = page.read_text(encoding="utf-8")
    rows = "\n".join(row_of(one) for one in recipes(root))
    shown = f"| recipe | paper | claim | verdict | each claim in numbers |\n{'| --- ' * 5}|\n{rows}\n"
    wanted = re.sub(f"(?s){START}\n.*?{END}", lambda _: f"{START}\n{shown}{END}", text)
    if arguments.write:
        page.write_text(wanted, encoding="utf-8")
    elif wanted != text:
        print(f"{PAGE} does not show recipes and proofs as they are; run: python -m infra.proof_table --write")
        return 1
    return 0


def row_of(recipe: Mapping[str, Any]) -> str:
    """Return a recipe's row as Markdown; a recipe without a proof was not run."""
    proof = recipe["proof"]
    verdict = "not run"
    if proof:
        kept = f"{PROOFS.removeprefix('docs/')}/{recipe['name']}.json"
        verdict = (
            f"[*{proof['outcome']}*]({kept}), {len(proof['seeds'])} seeds, {proof['machine']}, `{proof['commit'][:7]}`"
        )
    numbers = "<br>".join(of_proof(proof)) if proof else ""
    paper = f"[{recipe['arxiv']}](https://arxiv.org/abs/{recipe['arxiv']}), {recipe['year']}"
    return f"| `{recipe['name']}` | {paper} | {recipe['claim']} | {verdict} | {numbers} |"


if __name__ == "__main__":
    sys.exit(main())
