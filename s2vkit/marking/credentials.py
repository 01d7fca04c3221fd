"""Certificates to sign with: a local root and leaf, made at first use, or a user's own."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s2vkit.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as Key
    from cryptography.x509 import Certificate, CertificateBuilder

ROOT, CHAIN, KEY = "root.pem", "leaf.pem", "leaf.key"
_DAYS = 3650
_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class Credentials:
    """A chain of certificates, the leaf first, and the leaf's key: PEM; and C2PA's name of the algorithm."""

    chain: bytes
    key: bytes
    algorithm: str


def folder() -> Path:
    """Name the folder of the local certificates: in $S2VKIT_CONFIG, or in the user's configuration."""
    return Path(os.environ.get("S2VKIT_CONFIG") or click.get_app_dir("s2vkit")) / "signing"


def local_root() -> bytes | None:
    """Read the local root, if there is one."""
    path = folder() / ROOT
    return path.read_bytes() if path.is_file() else None


def local_credentials() -> Credentials:
    """Read the local leaf and its key; where there are none, make them. Raises OSError."""
    place = folder()
    if not (place / KEY).is_file():
        _make(place)
    return Credentials((place / CHAIN).read_bytes(), (place / KEY).read_bytes(), "es256")


def read_credentials(chain: Path, key: Path) -> Credentials:
    """Read a user's certificates and key. Raises InputError if they cannot be used together."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    for path in (chain, key):
        if not path.is_file():
            raise InputError(f"{path}: no such file", hint="--sign-with takes CERT and KEY, both PEM")
    try:
        certificates = x509.load_pem_x509_certificates(chain.read_bytes())
    except ValueError as error:
        raise InputError(f"{chain}: holds no certificate in PEM ({error})") from error
    try:
        private: Any = load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        hint = "give the key of the first certificate, not encrypted"
        raise InputError(f"{key}: holds no readable private key in PEM ({error})", hint=hint) from error
    if private.public_key() != certificates[0].public_key():
        raise InputError(f"{key}: is not the key of the first certificate in {chain}")
    return Credentials(chain.read_bytes(), key.read_bytes(), _algorithm(private, key))


def _algorithm(private: Any, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    name: str | None = None
    if isinstance(private, ec.EllipticCurvePrivateKey):
        name = _ALGORITHMS.get(private.curve.name)
    elif isinstance(private, rsa.RSAPrivateKey):
        name = "ps256"
    elif isinstance(private, ed25519.Ed25519PrivateKey):
        name = "ed25519"
    if name is None:
        raise InputError(f"{path}: C2PA does not sign with such a key", hint="take P-256, RSA or Ed25519")
    return name


def _make(place: Path) -> None:
    """Make a root and a leaf in a folder, whole or not at all; the root's key is not kept."""
    from cryptography.hazmat.primitives.asymmetric import ec

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".signing.") as temporary:
        made = Path(temporary) / "made"
        made.mkdir(mode=0o700)
        root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root, leaf = _root(root_key), _leaf(leaf_key, root_key)
        (made / ROOT).write_bytes(_pem(root))
        (made / CHAIN).write_bytes(_pem(leaf) + _pem(root))
        _write_private(made / KEY, leaf_key)
        try:
            made.rename(place)
        except OSError:  # another process was first
            if not (place / KEY).is_file():
                raise


def _write_private(path: Path, key: Key) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)


def _root(key: Key) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    builder = _builder("s2vkit local root", key, authority=True)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(key_id, critical=False).sign(key, SHA256())


def _leaf(key: Key, root: Key) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID

    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
    builder = _builder("s2vkit local signer", key, authority=False)
    for extension in (purpose, key_id, issuer_id):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(root, SHA256())


def _builder(name: str, key: Key, *, authority: bool) -> CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateBuilder(_name("s2vkit local root"), _name(name), key.public_key())
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )


def _name(common: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    words = {NameOID.ORGANIZATION_NAME: "s2vkit", NameOID.COMMON_NAME: common}
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in words.items()])


def _pem(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)
