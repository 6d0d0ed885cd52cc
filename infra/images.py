"""The images of others that ours begin from, by digest: what is behind a tag can change, what is behind a digest cannot.

    python -m infra.images            # whether they are what their registries have for their tags
    python -m infra.images --write    # ask, and write the digests behind the tags

Named are the bases in infra/Dockerfile and the images in infra/compose.yaml that are not built from it. Registries are asked as anybody may ask them;
source: OCI distribution specification 1.1, "Pulling manifests", and Docker's token authentication. Whoever builds images
asks first: a release's tag is built anew where what it stands on was mended, and a digest stays as old as it is.
"""

import argparse
import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).parents[1]
FILES = {
    Path("infra/Dockerfile"): re.compile(r"^FROM\s+(?:--platform=\S+\s+)?(?P<image>\S+[:@]\S+)", re.MULTILINE),
    Path("infra/compose.yaml"): re.compile(r"^\s*image:\s*(?P<image>(?!diptych/)\S+)", re.MULTILINE),
}
"""File -> where it names an image of others; a stage of the Dockerfile has neither tag nor digest."""
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
)  # fmt: skip
TIMEOUT_S = 30.0
_IMAGE = re.compile(r"(?P<name>[^@\s]+):(?P<tag>[\w][\w.-]*)(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Unanswered(Exception):
    """A registry that cannot be asked, or whose answer is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as a file names it.

    Args:
        name: with its registry's, unless that is Docker Hub.
        tag: of a release.
        digest: `sha256:…`, "" where none is written.
    """

    name: str
    tag: str
    digest: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `name:tag` or `name:tag@sha256:…`; ValueError for one without a tag, of which nobody could say whether it is still what was meant."""
        matched = _IMAGE.fullmatch(text)
        if matched is None:
            raise ValueError(f"{text} names no tag. Write name:tag, or name:tag@sha256:…")
        return cls(name=matched["name"], tag=matched["tag"], digest=matched["digest"] or "")

    @property
    def url(self) -> str:
        """Where its registry has the manifest; a registry on this machine is asked without TLS, as Docker does."""
        first, _, rest = self.name.partition("/")
        if not rest or not re.search(r"[.:]|^localhost$", first):
            first, rest = "registry-1.docker.io", self.name if rest else f"library/{self.name}"
        scheme = "http" if re.match(r"(localhost|127\.0\.0\.1)(:|$)", first) else "https"
        return f"{scheme}://{first}/v2/{rest}/manifests/{self.tag}"

    def __str__(self) -> str:
        """Return it as a file names it."""
        return f"{self.name}:{self.tag}{f'@{self.digest}' if self.digest else ''}"


def images(text: str, where: re.Pattern[str]) -> list[Image]:
    """Return the images of others that a file names; ValueError for one without a tag."""
    return [Image.read(found["image"]) for found in where.finditer(text)]


def digest_of(image: Image, client: httpx.Client) -> str:
    """Return what a registry has for a tag now: the digest of the manifest, which is computed here, and not taken from what it says of it.

    Raises Unanswered for a registry that does not answer, has no such tag, or says another digest than that of what it sends.
    """
    headers = {"Accept": ", ".join(MANIFESTS)}
    try:
        answer = client.get(image.url, headers=headers)
        if answer.status_code == 401:
            token = _token(answer.headers.get("WWW-Authenticate", ""), client)
            answer = client.get(image.url, headers=headers | {"Authorization": f"Bearer {token}"})
    except httpx.HTTPError as err:
        raise Unanswered(
            f"{image.name}: its registry does not answer ({err or type(err).__name__}). Ask again with a network"
        ) from err
    if answer.status_code != 200:
        raise Unanswered(
            f"{image.name}:{image.tag}: its registry answers {answer.status_code}; does it have this tag, for everybody?"
        )
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    if (said := answer.headers.get("Docker-Content-Digest", digest)) != digest:
        raise Unanswered(
            f"{image.name}:{image.tag}: what came is {digest}, and its registry says {said}. Trust neither"
        )
    return digest


def _token(challenge: str, client: httpx.Client) -> str:
    """Return a token for somebody who is not known there."""
    said = dict(_CHALLENGE.findall(challenge))
    realm = said.pop("realm", "")
    if not re.match(r"https://|http://(localhost|127\.0\.0\.1)[:/]", realm):
        raise Unanswered(f"a registry wants to be asked as {challenge!r}, which names nobody who gives a token by TLS")
    answer = client.get(realm, params={name: said[name] for name in ("service", "scope") if name in said})
    try:
        found = answer.raise_for_status().json()
        return str(found.get("token") or found["access_token"])
    except (ValueError, KeyError, AttributeError) as err:
        raise Unanswered(f"{realm} gives no token") from err


def pinned(text: str, where: re.Pattern[str], digests: dict[str, str]) -> str:
    """Return a file with the digests of its images.

    Args:
        digests: `name:tag` -> `sha256:…`.
    """

    def of(found: re.Match[str]) -> str:
        tagged = found["image"].partition("@")[0]
        start, end = found.start("image") - found.start(), found.end("image") - found.start()
        return f"{found[0][:start]}{tagged}@{digests[tagged]}{found[0][end:]}"

    return where.sub(of, text)


def main() -> None:
    """Ask, say, write; the exit code is 1 where a file names something else than a registry has, or one does not answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the digests into the files")
    given, wrong = parser.parse_args(), False
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as client:
        for path, where in FILES.items():
            text = (ROOT / path).read_text(encoding="utf-8")
            try:
                named = images(text, where)
                digests = {f"{one.name}:{one.tag}": digest_of(one, client) for one in named}
            except (ValueError, Unanswered) as err:
                sys.exit(f"{path}: {err}. {path} stays as it is")
            for one in named:
                now = digests[f"{one.name}:{one.tag}"]
                was = f", and {path} has {one.digest or 'no digest'}" if one.digest != now else ""
                print(f"{one.name}:{one.tag} is {now}{was}")
                wrong |= one.digest != now
            if given.write:
                (ROOT / path).write_text(pinned(text, where, digests), encoding="utf-8")
    sys.exit(1 if wrong and not given.write else 0)


if __name__ == "__main__":
    main()
