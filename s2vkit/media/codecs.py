"""What a fragmented MP4 holds, as Media Source Extensions want it named."""

from __future__ import annotations

_AAC_LC = "mp4a.40.2"


def mime_of(beginning: bytes) -> str:
    """Return the media type of an MP4 with H.264 and AAC, from its first bytes.

    Raises ValueError if they do not hold the configuration of H.264.
    """
    at = beginning.index(b"avcC") + 4
    profile = beginning[at + 1 : at + 4]  # profile, constraints, level: ISO/IEC 14496-15
    return f'video/mp4; codecs="avc1.{profile.hex()}, {_AAC_LC}"'
