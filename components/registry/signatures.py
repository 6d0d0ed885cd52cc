"""Who vouches for a version: OpenSSF model signatures over a package, kept beside it in its run.

A signature is a Sigstore bundle over the sha256 of every file (https://github.com/sigstore/model-transparency). It is made by whoever
registers: with the key of DIPTYCH_SIGNING_KEY, with the account of the machine where that says `keyless`, else with a key of the
workspace's own. It is checked wherever a version is about to be served.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.contracts.deploying import Deploying
from components.contracts.errors import ConfigError, TransientError, Untrusted
from components.registry.store import Store, store_errors

FOLDER, FILE = "signature", "model.sig"  # of a run's artifacts
SIGNED_BY = "diptych.signed_by"
KEY = "DIPTYCH_SIGNING_KEY"
KEYLESS = "keyless"
CURVES = ("secp256r1", "secp384r1", "secp521r1")  # by which model_signing signs


def sign(store: Store, run_id: str, package: Path, root: Path) -> str:
    """Sign a package and keep the signature in its run; return who signed, as its tag says.

    Raises ConfigError for a key that cannot be used.
    """
    from model_signing import signing

    name, config = os.environ.get(KEY, ""), signing.Config()
    if name == KEYLESS:
        config, who = config.use_sigstore_signer(use_ambient_credentials=True), KEYLESS
    else:
        private = Path(name) if name else own_key(root)
        who = f"key {fingerprint(public_key(private))}"
        config = config.use_elliptic_key_signer(private_key=private)
    with tempfile.TemporaryDirectory() as folder:
        signature = Path(folder) / FILE
        config.sign(package, signature)
        with store_errors(store.uri):
            store.client.log_artifact(run_id, str(signature), FOLDER)
            store.client.set_tag(run_id, SIGNED_BY, who)
    return who


def check_signature(store: Store, run_id: str, label: str, package: Path, root: Path, rules: Deploying) -> str:
    """Return who signed a package, in words; nothing is asked where the rules ask nothing.

    Args:
        label: of the version.
        package: the folder, as it is here.
        root: of the workspace, from where `rules.keys` are named.

    Raises Untrusted where it was not signed, by nobody who is trusted, or the files are others.
    """
    if rules.signatures == "not_asked":
        return "signatures are not asked for"
    with tempfile.TemporaryDirectory() as folder:
        signature = _fetched(store, run_id, Path(folder))
        if signature is None:
            raise Untrusted(
                f"{label} is not signed, and params.yaml asks for it. Sign it, if you know where it comes from: diptych sign {label}. Or "
                "ask for none: deploy.signatures: not_asked"
            )
        refusals = []
        for who, check in _trusted(rules, root):
            try:
                check(package, signature)
                return f"signed by {who}"
            except _away() as err:
                raise TransientError(f"who signed {label} cannot be looked up: {err}") from err
            except Exception as err:  # the library raises what its parsers raise
                refusals.append(f"{who}: {_first_line(err)}")
    raise Untrusted(
        f"the signature of {label} does not hold ({'; '.join(refusals)}). Nothing of it was served. If another key of yours signed it, name "
        "its public half in params.yaml under deploy.keys."
    )


def own_key(root: Path) -> Path:
    """Return the file with the workspace's private key, made at first need, for its owner's eyes only."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = root / ".diptych" / "keys" / "signing.pem"
    if path.exists():
        return path
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = ec.generate_private_key(ec.SECP256R1())
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        os.link(partial, path)  # of two who make it at once, one does
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return path


def public_key(private: Path) -> bytes:
    """Return the public half of a private key, PEM. Raises ConfigError where there is none, or one by which nothing can be signed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        key = load_pem_private_key(private.read_bytes(), None)
        _check_curve(key.public_key())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise ConfigError(
            f"{private} is no private key that can be used ({type(err).__name__}: {err}). Make one without a password: openssl ecparam "
            "-name prime256v1 -genkey -noout -out signing.pem"
        ) from err
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def fingerprint(public: bytes) -> str:
    """Return how people tell public keys apart: the first 16 digits of the sha256."""
    return hashlib.sha256(public.strip()).hexdigest()[:16]


def _trusted(rules: Deploying, root: Path) -> list[tuple[str, Callable[[Path, Path], None]]]:
    """Return whoever may sign: in words, and what checks it."""
    from model_signing import verifying

    found: list[tuple[str, Callable[[Path, Path], None]]] = []
    for one in rules.identities:
        config = verifying.Config().use_sigstore_verifier(identity=one.identity, oidc_issuer=one.issuer)
        found.append((one.identity, config.verify))
    for name in rules.keys:
        found.append(_by_key(root / name))
    if not found:
        public = root / ".diptych" / "keys" / "trusted.pub"
        mine = os.environ.get(KEY, "")
        public.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        public.write_bytes(public_key(Path(mine) if mine and mine != KEYLESS else own_key(root)))
        found.append(_by_key(public))
    return found


def _by_key(path: Path) -> tuple[str, Callable[[Path, Path], None]]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from model_signing import verifying

    try:
        public = path.read_bytes()
        _check_curve(load_pem_public_key(public))
        return f"key {fingerprint(public)}", verifying.Config().use_elliptic_key_verifier(public_key=path).verify
    except (OSError, ValueError, UnsupportedAlgorithm) as err:
        raise ConfigError(
            f"deploy.keys names {path}, which is no public key by which a signature can be checked ({type(err).__name__}: {err}). Write the "
            "public half of the key that signs there: openssl ec -in signing.pem -pubout -out team.pub"
        ) from err


def _check_curve(key: object) -> None:
    """Raise ValueError for a public key of another kind than model_signing takes."""
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None
    if curve not in CURVES:
        raise ValueError(f"its kind is {curve or type(key).__name__}, and a key is needed on {', '.join(CURVES)}")


def _away() -> tuple[type[Exception], ...]:
    """Return what is raised where Sigstore cannot be asked."""
    from requests.exceptions import RequestException
    from sigstore.errors import NetworkError, TUFError
    from tuf.api.exceptions import DownloadError

    return (ConnectionError, TimeoutError, RequestException, NetworkError, TUFError, DownloadError)


def _fetched(store: Store, run_id: str, folder: Path) -> Path | None:
    with store_errors(store.uri):
        listed: list[Any] = store.client.list_artifacts(run_id, FOLDER)
        if not listed:
            return None
        return Path(store.client.download_artifacts(run_id, f"{FOLDER}/{FILE}", str(folder)))


def _first_line(err: Exception) -> str:
    return (str(err).strip() or type(err).__name__).splitlines()[0].rstrip(".")
