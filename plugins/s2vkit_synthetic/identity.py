"""The cast: 64 people, the same in every corpus, each with a face and a voice that agree.

The first sixteen are written down; the others mix traits of those of their own sex and age,
with their own measures, from a fixed seed. Lengths are in picture coordinates (the picture
is 2 wide and high, the face about 1.4 high).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from s2vkit_synthetic.shapes import Color, mix

FIRST_ID = 1001

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


def cast(count: int) -> list[Person]:
    """Give the first `count` (at most 64) people of the cast."""
    people = list(_LEADS)
    while len(people) < count:
        people.append(_newcomer(len(people)))
    return people[:count]


def _hex(code: str) -> Color:
    r, g, b = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return (r, g, b)


_LEADS = (
    Person("f", 27, SKINS["fair"], HAIRS["auburn"], "long", EYES["green"], "crew", _hex("2f6f73"),
           _hex("d9c9a8"), Voice("f3", 209, 205, 150, 1.0, 1.0),
           width=0.47, jaw=0.34, chin=0.15, eye_size=0.14, eye_high=0.092, lashes=1.0,
           brow_thick=0.022, nose_wide=0.07, lips=0.05, lip=(0.80, 0.30, 0.32), freckles=True),
    Person("m", 34, SKINS["brown"], HAIRS["black"], "fade", EYES["dark"], "collar", _hex("e8e4da"),
           _hex("7fa6b8"), Voice("m3", 104, 100, 150, 0.97, 0.0),
           width=0.50, jaw=0.45, chin=0.26, brow_thick=0.040, brow_arch=0.03, nose_wide=0.115,
           mouth=0.205, lips=0.058, lip=(0.50, 0.25, 0.23), beard="full"),
    Person("f", 66, SKINS["peach"], HAIRS["white"], "bun", EYES["blue"], "turtle", _hex("7d4a7e"),
           _hex("b9c4ae"), Voice("grandma", 197, 176, 128, 0.95, -1.0, breath=0.5, shake=0.5),
           width=0.50, jaw=0.42, chin=0.20, eye_high=0.066, brow_thick=0.02, lips=0.034,
           lip=(0.74, 0.40, 0.42), glasses="round", earrings=True, lines=0.9),
    Person("m", 23, SKINS["porcelain"], HAIRS["ginger"], "curly", EYES["hazel"], "hoodie",
           _hex("3f5b8c"), _hex("e6b89c"), Voice("Andy", 95, 138, 168, 1.08, 1.5),
           width=0.465, jaw=0.36, chin=0.19, length=0.70, eye_size=0.13, brow_thick=0.03,
           nose_wide=0.08, freckles=True, ears=0.125),
    Person("f", 38, SKINS["dark"], HAIRS["black"], "afro", EYES["dark"], "vneck", _hex("e0a030"),
           _hex("8c5f6b"), Voice("f1", 176, 168, 142, 0.92, -0.5),
           width=0.485, jaw=0.38, chin=0.18, eye_size=0.138, eye_high=0.086, lashes=0.9,
           nose_wide=0.105, mouth=0.20, lips=0.066, lip=(0.55, 0.18, 0.24), earrings=True),
    Person("m", 71, SKINS["fair"], HAIRS["grey"], "horseshoe", EYES["grey"], "collar",
           _hex("6b7f5a"), _hex("c8b7cf"), Voice("grandpa", 109, 92, 124, 0.93, -2.0, 0.4, 0.7),
           width=0.53, jaw=0.47, chin=0.25, eye_high=0.060, brow_thick=0.042, nose_wide=0.12,
           nose_low=0.215, lips=0.026, lip=(0.72, 0.45, 0.42), ears=0.14, moustache=True,
           lines=1.0),
    Person("f", 20, SKINS["olive"], HAIRS["espresso"], "fringe", EYES["brown"], "crew",
           _hex("d9646a"), _hex("a9d0d6"), Voice("Annie", 237, 252, 164, 1.06, 0.5),
           width=0.50, jaw=0.38, chin=0.14, length=0.63, eye_size=0.145, eye_high=0.095,
           eye_tilt=0.025, lashes=0.7, nose_wide=0.066, mouth=0.155, lips=0.046,
           lip=(0.85, 0.40, 0.42)),
    Person("m", 45, SKINS["tan"], HAIRS["espresso"], "parted", EYES["brown"], "suit",
           _hex("39415a"), _hex("c9c3b2"), Voice("m7", 106, 84, 138, 0.90, -1.0),
           width=0.48, jaw=0.43, chin=0.27, length=0.73, eye_high=0.068, brow_thick=0.036,
           nose_wide=0.10, nose_low=0.21, mouth=0.20, lips=0.036, lip=(0.62, 0.34, 0.30),
           glasses="square", lines=0.35),
    Person("f", 50, SKINS["tan"], HAIRS["espresso"], "scarf", EYES["hazel"], "crew",
           _hex("2d3b4f"), _hex("e3d2b4"), Voice("f2", 193, 190, 140, 0.97, -1.5, 0.3),
           width=0.48, jaw=0.38, chin=0.18, eye_size=0.135, lashes=0.9, brow_thick=0.028,
           lips=0.045, lip=(0.68, 0.30, 0.30), lines=0.3),
    Person("m", 29, SKINS["olive"], HAIRS["black"], "quiff", EYES["dark"], "crew", _hex("b5473c"),
           _hex("9fb6a2"), Voice("Denis", 99, 118, 160, 1.03, 0.5),
           width=0.50, jaw=0.42, chin=0.22, eye_size=0.118, eye_high=0.064, eye_tilt=0.03,
           brow_thick=0.034, brow_arch=0.02, nose_wide=0.088),
    Person("f", 31, SKINS["porcelain"], HAIRS["blond"], "bob", EYES["blue"], "collar",
           _hex("f0eeea"), _hex("6f86a8"), Voice("belinda", 227, 222, 156, 1.02, 0.0),
           width=0.475, jaw=0.37, chin=0.20, eye_size=0.135, lashes=0.8, brow_thick=0.02,
           nose_wide=0.07, mouth=0.175, lips=0.045, lip=(0.83, 0.22, 0.28)),
    Person("m", 39, SKINS["dark"], HAIRS["black"], "bald", EYES["dark"], "turtle", _hex("51575e"),
           _hex("d8a867"), Voice("m1", 94, 78, 134, 0.88, -1.5),
           width=0.51, jaw=0.45, chin=0.24, brow_thick=0.034, nose_wide=0.12, mouth=0.21,
           lips=0.056, lip=(0.46, 0.24, 0.22), beard="goatee", ears=0.11),
    Person("f", 24, SKINS["brown"], HAIRS["black"], "ponytail", EYES["brown"], "hoodie",
           _hex("7a5fae"), _hex("bcd1a0"), Voice("f5", 204, 215, 166, 1.10, 1.5),
           width=0.465, jaw=0.35, chin=0.15, eye_size=0.14, eye_high=0.09, eye_tilt=0.02,
           lashes=0.8, nose_wide=0.085, lips=0.056, lip=(0.66, 0.26, 0.30), earrings=True),
    Person("m", 58, SKINS["peach"], HAIRS["grey"], "parted", EYES["blue"], "suit", _hex("5a3d3d"),
           _hex("98b4c4"), Voice("quincy", 90, 104, 132, 0.96, -0.5, 0.3),
           width=0.54, jaw=0.49, chin=0.28, length=0.66, eye_high=0.064, brow_thick=0.036,
           nose_wide=0.115, lips=0.032, lip=(0.72, 0.42, 0.38), beard="full", lines=0.7),
    Person("f", 61, SKINS["brown"], HAIRS["grey"], "curly", EYES["dark"], "vneck", _hex("a83f5b"),
           _hex("b8c3d9"), Voice("aunty", 176, 158, 130, 0.94, -1.0, 0.3, 0.3),
           width=0.52, jaw=0.44, chin=0.22, length=0.65, nose_wide=0.11, mouth=0.19, lips=0.05,
           lip=(0.62, 0.24, 0.30), glasses="cat", lines=0.6),
    Person("m", 20, SKINS["fair"], HAIRS["honey"], "mop", EYES["green"], "crew", _hex("e9c46a"),
           _hex("6d8f86"), Voice("travis", 103, 152, 172, 1.13, 1.0),
           width=0.46, jaw=0.35, chin=0.17, length=0.66, eye_size=0.132, brow_thick=0.026,
           nose_wide=0.075, mouth=0.17, lips=0.04),
)  # fmt: skip

_WALLS = "d9c9a8 7fa6b8 b9c4ae e6b89c 8c5f6b c8b7cf a9d0d6 c9c3b2 6f86a8 9fb6a2 d8a867".split()
_CLOTHS = "2f6f73 e8e4da 7d4a7e 3f5b8c e0a030 6b7f5a d9646a 39415a b5473c 51575e a83f5b".split()


def _newcomer(index: int) -> Person:
    """Mix somebody new of the leads that share a sex, near in age."""
    rng = np.random.default_rng(7_000 + index)
    sex = "fm"[index % 2]
    own = [p for p in _LEADS if p.sex == sex]
    base, other, third = (own[k] for k in rng.permutation(len(own))[:3])
    near = min((p for p in own if p is not base), key=lambda p: abs(p.age - base.age))
    old = base.age > 55
    tones = list(SKINS.values())
    skin = mix(other.skin, tones[rng.integers(len(tones))], float(rng.uniform(0, 0.6)))
    lip = mix(scale_lip(skin), third.lip, 0.5)
    hair = base.hair if old else list(HAIRS.values())[rng.integers(7)]
    return replace(
        base,
        age=int(base.age + rng.integers(-4, 5)),
        skin=skin, lip=lip, hair=hair, eye=list(EYES.values())[rng.integers(6)],
        style=near.style if rng.random() < 0.5 else base.style,
        clothes=other.clothes,
        cloth=_hex(_CLOTHS[rng.integers(len(_CLOTHS))]),
        wall=_hex(_WALLS[rng.integers(len(_WALLS))]),
        voice=_new_voice(rng, base.voice, near.voice),
        width=_near(rng, base.width, 0.02), jaw=_near(rng, base.jaw, 0.02),
        chin=_near(rng, base.chin, 0.03), length=_near(rng, base.length, 0.02),
        eye_size=_near(rng, other.eye_size, 0.006), eye_high=_near(rng, other.eye_high, 0.006),
        eye_gap=_near(rng, base.eye_gap, 0.008), eye_tilt=third.eye_tilt,
        brow_thick=_near(rng, base.brow_thick, 0.004), nose_wide=other.nose_wide,
        nose_low=base.nose_low, mouth=_near(rng, third.mouth, 0.008), lips=third.lips,
        glasses=str(rng.choice(["", "", base.glasses, "round", "square"])),
        beard=str(rng.choice(["", base.beard, "stubble", "full", "goatee"])) if sex == "m" else "",
        moustache=sex == "m" and bool(rng.random() < 0.2),
        freckles=bool(rng.random() < 0.25), earrings=sex == "f" and bool(rng.random() < 0.5),
    )  # fmt: skip


def scale_lip(skin: Color) -> Color:
    """Find lips that go with a skin."""
    return (skin[0] * 0.84, skin[1] * 0.55, skin[2] * 0.58)


def _near(rng: np.random.Generator, value: float, spread: float) -> float:
    return float(value + rng.uniform(-spread, spread))


def _new_voice(rng: np.random.Generator, base: Voice, near: Voice) -> Voice:
    kind = base if rng.random() < 0.5 else near
    return replace(
        kind,
        pitch=base.pitch * float(rng.uniform(0.86, 1.16)),
        rate=base.rate * float(rng.uniform(0.94, 1.06)),
        tract=kind.tract * float(rng.uniform(0.93, 1.07)),
        tilt=kind.tilt + float(rng.uniform(-2, 2)),
        breath=max(0.0, base.breath + float(rng.uniform(-0.2, 0.4))),
        shake=base.shake,
    )
