"""How to use a model: a few lines to copy, each of which a test runs as it stands."""

import html
from collections.abc import Mapping

from components.evaluation.report.layout import framed, said

ASK_PACKAGE = """\
from pathlib import Path

from components.serving.embedder import open_embedder

model = open_embedder("{package}", Path("."), None)
text = model.texts(["{text}"])
picture = model.pictures([Path("{picture}").read_bytes()])
print((picture @ text.T).item())
"""
ASK_SERVER = """\
import json
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput

address = json.loads(Path(".diptych/served/server.json").read_text())["http"]
words = InferInput("text", [1, 1], "BYTES")
words.set_data_from_numpy(np.array([["{text}".encode()]], dtype=object))
answer = InferenceServerClient(address).infer("embed_text", [words])
print(answer.as_numpy("text_embeds").shape)
"""
SHELL = """\
.venv/bin/diptych ask "{text}"
.venv/bin/diptych ask --image {picture}
"""


def snippets(package: str, text: str) -> Mapping[str, str]:
    """Return what each is for -> what to copy.

    Args:
        package: folder of the package, as it is called in the workspace.
        text: that the model may be asked for.
    """
    plain = " ".join(text.replace('"', " ").replace("\\", " ").replace("$", " ").replace("`", " ").split()) or "a heart"
    said = {"package": package, "text": plain, "picture": "picture.png"}
    return {
        "In a shell, of the model that is served": SHELL.format(**said),
        "In Python, of this package alone": ASK_PACKAGE.format(**said),
        "Over KServe's v2 protocol, of the model that is served": ASK_SERVER.format(**said),
    }


def use(found: Mapping[str, str]) -> str:
    """Return the lines to copy, with what the model is not for."""
    shown = "".join(
        f"<h3>{html.escape(what)}</h3>{framed(what, f'<pre><code>{html.escape(code)}</code></pre>')}"
        for what, code in found.items()
    )
    limits = "It knows what its training data shows, and nothing beside it; its answers about people or for decisions about them mean nothing."
    return shown + said(f"Run in a checkout of diptych, where `make run` serves a model. {limits}") if shown else ""
