"""What makes a person: a face and a voice.

Lengths are in picture coordinates: the picture is 2 wide and high, the face about 1.4 high.
"""

from __future__ import annotations

from dataclasses import dataclass

from s2vkit_synthetic.shapes import Color

SKINS: dict[str, Color] = {
    "porcelain": (0.98, 0.87, 0.80),
    "fair": (0.95, 0.79, 0.68),
    "peach": (0.91, 0.71, 0.57),
    "olive": (0.82, 0.64, 0.47),
    "tan": (0.73, 0.52, 0.37),
    "brown": (0.56, 0.37, 0.26),
    "dark": (0.39, 0.25, 0.18),
}
HAIRS: dict[str, Color] = {
    "black": (0.10, 0.09, 0.11),
    "espresso": (0.22, 0.13, 0.09),
    "chestnut": (0.42, 0.22, 0.11),
    "auburn": (0.58, 0.22, 0.10),
    "ginger": (0.84, 0.43, 0.15),
    "honey": (0.76, 0.54, 0.27),
    "blond": (0.93, 0.78, 0.46),
    "grey": (0.62, 0.62, 0.64),
    "white": (0.89, 0.88, 0.87),
}
EYES: dict[str, Color] = {
    "brown": (0.34, 0.19, 0.10),
    "dark": (0.16, 0.10, 0.08),
    "hazel": (0.48, 0.36, 0.16),
    "green": (0.27, 0.49, 0.29),
    "blue": (0.25, 0.46, 0.70),
    "grey": (0.44, 0.52, 0.58),
}


@dataclass(frozen=True)
class Voice:
    """How someone sounds."""

    variant: str  # eSpeak NG's voice variant
    natural: float  # Hz, that variant's own pitch
    pitch: float  # Hz, this person's
    rate: float  # words a minute
    tract: float  # how much higher the formants lie than the variant's
    tilt: float  # dB an octave above 500 Hz; brighter above 0
    breath: float = 0.0  # how much breath is heard
    shake: float = 0.0  # how much the pitch trembles
    ring: float = 1500.0  # Hz, where this voice resonates most


@dataclass(frozen=True)
class Person:
    """Who someone is: everything that stays the same from clip to clip."""

    sex: str  # "f" or "m"
    age: int
    skin: Color
    hair: Color
    style: str  # one of hair.STYLES
    eye: Color
    clothes: str  # one of body.CLOTHES
    cloth: Color
    wall: Color
    voice: Voice
    width: float = 0.50  # half width at the cheekbones
    jaw: float = 0.40  # half width at the mouth
    chin: float = 0.20  # half width near the chin
    length: float = 0.68  # where the chin ends
    eye_size: float = 0.125  # half width of an eye
    eye_high: float = 0.080  # half height of an open eye
    eye_gap: float = 0.215  # from the middle to an eye
    eye_tilt: float = 0.0  # outer corners up
    lashes: float = 0.4
    brow_thick: float = 0.030
    brow_arch: float = 0.05
    brow_high: float = -0.285
    nose_wide: float = 0.085
    nose_low: float = 0.185
    mouth: float = 0.185  # half width
    lips: float = 0.042  # thickness
    lip: Color = (0.74, 0.36, 0.34)
    ears: float = 0.10
    glasses: str = ""  # round, square or cat
    beard: str = ""  # stubble, full, goatee
    moustache: bool = False
    freckles: bool = False
    earrings: bool = False
    lines: float = 0.0  # how deep the wrinkles are


def color(code: str) -> Color:
    """Read a colour written as rrggbb."""
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return (r, g, b)
