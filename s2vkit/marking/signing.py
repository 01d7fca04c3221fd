"""Signing an mp4 and reading signatures by C2PA; needs s2vkit[mark], and no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.errors import ResourceError
from s2vkit.files import replacing
from s2vkit.marking.credentials import Credentials
from s2vkit.marking.manifest import Maker, is_ai_made, manifest

MISSING = "the package c2pa-python is not installed (pip install 's2vkit[mark]')"
_FORMAT = "video/mp4"
_OTHERS_LIKE_MP4 = ("m4a", "mov", "heic", "heif", "avif")
# C2PA's defaults copy the file into memory and hash all pictures and sound in one piece, so signing an
# hour would take twice the file's size. Hashed in blocks, the leaves of a Merkle tree, and copied
# through a temporary file, it takes no more than a minute does, and neither does reading it back.
_SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
    "core": {
        "merkle_tree_chunk_size_in_kb": 1024,
        "merkle_tree_max_proofs": 0,  # the manifest lists every leaf: 32 bytes a block
        "backing_store_memory_threshold_in_mb": 1,
    },
}


def can_sign() -> bool:
    """Return whether c2pa-python is installed."""
    try:
        import c2pa  # noqa: F401
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class FileSigner:
    """Signs mp4 files with one certificate."""

    credentials: Credentials

    def sign(self, path: Path, maker: Maker) -> None:
        """Put a signed manifest into an mp4, in flat memory. Raises ResourceError if C2PA refuses."""
        import c2pa

        own = self.credentials
        info = c2pa.C2paSignerInfo(
            alg=own.algorithm.encode(), sign_cert=own.chain, private_key=own.key, ta_url=None
        )
        try:
            with (
                c2pa.Context.from_dict(_SETTINGS) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(manifest(maker), context=context) as builder,
                replacing(path) as part,
                path.open("rb") as source,
                part.open("w+b") as target,
            ):
                builder.sign(signer, _FORMAT, source, target)
        except c2pa.C2paError as error:
            hint = "for other certificates see docs/marking.md; --no-mark leaves marking out"
            raise ResourceError(f"the video cannot be signed: {error}", hint=hint) from error


@dataclass(frozen=True)
class Signature:
    """What the content credentials of a file say."""

    valid: bool  # the file is as it was when it was signed
    trusted: bool  # the signer's certificate is of a root that we trust
    issuer: str
    generator: str
    ai_made: bool
    problems: tuple[str, ...]  # C2PA's codes


def read_signature(path: Path, roots: bytes) -> Signature | None:
    """Read and check the credentials of any file; None if it has none that can be read.

    `roots` are certificates in PEM whose signatures are trusted.
    """
    import c2pa

    settings: dict[str, Any] = {"verify": {"verify_trust": True, "remote_manifest_fetch": False}}
    if roots:
        settings["trust"] = {"user_anchors": roots.decode()}
    try:
        with c2pa.Context.from_dict(settings) as context, path.open("rb") as file:
            reader = c2pa.Reader.try_create(_format(path), file, context=context)
            if reader is None:
                return None
            with reader:
                return _signature(reader)
    except c2pa.C2paError:  # no format that may hold credentials, or too damaged for any
        return None


def _signature(reader: Any) -> Signature:
    active = reader.get_active_manifest() or {}
    state = reader.get_validation_state()
    results = (reader.get_validation_results() or {}).get("activeManifest", {})
    signed = active.get("signature_info", {})
    generator: dict[str, Any] = next(iter(active.get("claim_generator_info", [])), {})
    return Signature(
        valid=state in ("Valid", "Trusted"),
        trusted=state == "Trusted",
        issuer=", ".join(str(signed[k]) for k in ("issuer", "common_name") if signed.get(k)),
        generator=" ".join(str(generator[k]) for k in ("name", "version") if generator.get(k)),
        ai_made=is_ai_made(active),
        problems=tuple(str(found.get("code")) for found in results.get("failure", [])),
    )


def _format(path: Path) -> str:
    """Name the format of a file as C2PA does: by its ending, or mp4 where it begins as one."""
    with path.open("rb") as file:
        head = file.read(12)
    known = path.suffix[1:].lower()
    return _FORMAT if head[4:8] == b"ftyp" and known not in _OTHERS_LIKE_MP4 else known or "bin"
