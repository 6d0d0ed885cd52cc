"""A Dockerfile against the rules that its images need: exact bases, nobody root at the end, nothing fetched unseen, nothing left behind.

hadolint says the same and more; it weighs 12 MB, so it is for whoever has it: hadolint infra/Dockerfile
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.manifests.rules import pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM with what follows it.

    Args:
        name: by which others begin from it; empty where it has none.
        base: an image, or another stage.
        lines: instruction and the rest, lines joined and comments left out.
    """

    name: str
    base: str
    lines: tuple[tuple[str, str], ...]


def stages(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile; ValueError for lines before the first FROM other than ARG."""
    joined = re.sub(r"\\\n(\s*#.*\n)*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for line in filter(None, (one.strip() for one in joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word.upper() == "FROM":
            base, *more = rest.split()
            found.append((more[1] if len(more) == 2 else "", base, []))
        elif found:
            found[-1][2].append((word.upper(), rest.strip()))
        elif word.upper() != "ARG":
            raise ValueError(f"{line!r} stands before the first FROM")
    return [Stage(name=name, base=base, lines=tuple(lines)) for name, base, lines in found]


def broken(text: str) -> Iterator[str]:
    """Yield what a Dockerfile does not keep to."""
    found = stages(text)
    names = [stage.name for stage in found]
    for at, stage in enumerate(found):
        where = stage.name or f"stage {at + 1}"
        if stage.base not in names[:at] and not pinned(stage.base):
            yield f"{where}: {stage.base} is another image tomorrow; name it by digest or exact tag"
        for word, rest in stage.lines:
            yield from (f"{where}: {said}" for said in _of_line(word, rest, names[:at]))
    used = {stage.base for stage in found} | {said for stage in found for said in _copied_from(stage)}
    for stage in found:
        if stage.name not in used and _user(stage, found) in ("", "0", "root"):
            yield f"{stage.name or 'the last stage'}: ends as root; say USER 10001:10001 last"


def _copied_from(stage: Stage) -> Iterator[str]:
    for word, rest in stage.lines:
        if word == "COPY" and (named := re.search(r"--from=(\S+)", rest)):
            yield named[1]


def _user(stage: Stage, found: list[Stage]) -> str:
    users = [rest for word, rest in stage.lines if word == "USER"]
    if users:
        return users[-1].split(":")[0]
    base = next((one for one in found if one.name == stage.base), None)
    return _user(base, found) if base else ""


def _of_line(word: str, rest: str, before: list[str]) -> Iterator[str]:
    if word == "ADD":
        yield f"ADD {rest} fetches and unpacks; say COPY"
    if (
        word == "COPY"
        and (named := re.search(r"--from=(\S+)", rest))
        and named[1] not in before
        and not pinned(named[1])
    ):
        yield f"copies from {named[1]}, which is no stage before it and no exact image"
    if word == "WORKDIR" and not rest.startswith("/"):
        yield f"WORKDIR {rest} depends on what was before; begin it with /"
    if word in ("ENV", "ARG") and re.search(r"(PASSWORD|TOKEN|SECRET|ACCESS_KEY)\w*=\S", rest):
        yield f"{word} {rest.partition('=')[0]} stays in the image for everybody to read; hand it over when it runs"
    if word in ("CMD", "ENTRYPOINT") and not rest.startswith("["):
        yield f"{word} {rest} runs in a shell, which swallows TERM; write it as a list"
    if word != "RUN":
        return
    if "apt-get install" in rest:
        if "--no-install-recommends" not in rest:
            yield "apt-get installs what is only recommended; say --no-install-recommends"
        if "rm -rf /var/lib/apt/lists" not in rest:
            yield "apt's lists stay in the image; end with rm -rf /var/lib/apt/lists/*"
        if not re.search(r"apt-get update.*apt-get install", rest):
            yield "apt-get installs from lists of another day; update in the same RUN"
    if re.search(r"\bpip\S* install", rest) and "--no-cache-dir" not in rest and "PIP_NO_CACHE_DIR=1" not in rest:
        yield "pip's cache stays in the image; say --no-cache-dir"
    if re.search(r"\bpip\S* install", rest) and "--no-deps" not in rest:
        yield "pip chooses versions by itself; name all of them, and say --no-deps"
    if re.search(r"\b(curl|wget)\b.*\|\s*(sudo )?(ba|da)?sh\b", rest):
        yield "runs what it fetches without looking at it"
    if re.search(r"\bsudo\b", rest):
        yield "has sudo, which nobody needs here"
    if "chmod" in rest and re.search(r"\b0?777\b", rest):
        yield "lets everybody write"
