"""Who vouches for a version: the right key over the right files, and nobody else."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.contracts.deploying import Deploying
from components.contracts.errors import ConfigError, Untrusted
from components.registry.signatures import KEY, check_signature, own_key, public_key, sign
from components.registry.versions import register


@pytest.fixture
def version(packaged, root, store):
    return register(packaged(), root, store)


def checked(store, version, root, **rules):
    return check_signature(store, version.run_id, version.label, root / "runs/clip/package", root, Deploying(**rules))


def test_whoever_registers_signs_with_a_key_of_the_workspace_that_is_for_its_owner_alone(store, version, root):
    assert checked(store, version, root).startswith("signed by key ")
    assert stat.S_IMODE(own_key(root).stat().st_mode) == 0o600
    assert stat.S_IMODE(own_key(root).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("change", ["edited", "more"])
def test_other_files_than_were_signed_are_refused(store, version, root, change):
    name = "weights.safetensors" if change == "edited" else "more.txt"
    (root / "runs/clip/package" / name).write_text("b")
    with pytest.raises(Untrusted, match=r"the signature of clip@1 does not hold .*" + name.partition(".")[0]):
        checked(store, version, root)


def test_another_key_is_refused_until_it_is_named(store, version, root, monkeypatch):
    other = own_key(root / "elsewhere")
    (root / "team.pub").write_bytes(public_key(other))
    with pytest.raises(Untrusted, match="Key mismatch"):
        checked(store, version, root, keys=("team.pub",))
    monkeypatch.setenv(KEY, str(other))
    who = sign(store, version.run_id, root / "runs/clip/package", root)
    assert checked(store, version, root, keys=("team.pub",)) == f"signed by {who}"
    monkeypatch.delenv(KEY)
    with pytest.raises(Untrusted):
        checked(store, version, root)


def test_what_nobody_signed_is_served_only_where_signatures_are_not_asked_for(store, version, root):
    for file in (root / "mlartifacts").rglob("model.sig"):
        file.unlink()
    with pytest.raises(Untrusted, match=r"clip@1 is not signed.*diptych sign clip@1"):
        checked(store, version, root)
    assert checked(store, version, root, signatures="not_asked") == "signatures are not asked for"


def test_a_signature_that_is_none_is_refused(store, version, root):
    (file,) = (root / "mlartifacts").rglob("model.sig")
    file.write_text("{}")
    with pytest.raises(Untrusted, match="does not hold"):
        checked(store, version, root)


def test_keys_that_are_none_are_named(store, version, root, monkeypatch):
    (root / "team.pub").write_text("no key")
    with pytest.raises(ConfigError, match=r"deploy\.keys names .*team\.pub, which is no public key"):
        checked(store, version, root, keys=("team.pub",))
    monkeypatch.setenv(KEY, str(root / "nowhere.pem"))
    with pytest.raises(ConfigError, match="is no private key that can be used"):
        sign(store, version.run_id, root / "runs/clip/package", root)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSA"),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    ],
    ids=["rsa", "ed25519", "another-curve"],
)
def test_a_key_by_which_nothing_can_be_signed_is_refused_with_its_kind(store, version, root, monkeypatch, made, kind):
    key = made()
    (root / "signing.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (root / "team.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match=rf"deploy\.keys names .*team\.pub, .*{kind}.*secp256r1"):
        checked(store, version, root, keys=("team.pub",))
    monkeypatch.setenv(KEY, str(root / "signing.pem"))
    with pytest.raises(ConfigError, match=rf"is no private key that can be used .*{kind}.*openssl ecparam"):
        sign(store, version.run_id, root / "runs/clip/package", root)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_keys_of_every_curve_that_the_library_takes_sign(store, version, root, monkeypatch, curve):
    key = ec.generate_private_key(curve)
    (root / "signing.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (root / "team.pub").write_bytes(public_key(root / "signing.pem"))
    monkeypatch.setenv(KEY, str(root / "signing.pem"))
    who = sign(store, version.run_id, root / "runs/clip/package", root)
    assert checked(store, version, root, keys=("team.pub",)) == f"signed by {who}"
