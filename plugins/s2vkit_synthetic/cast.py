"""The cast: 64 people, the same in every corpus, whose faces and voices agree.

The first sixteen are written down; the others mix traits of leads of their own sex, with
measures of their own, from a fixed seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from s2vkit_synthetic.identity import EYES, HAIRS, SKINS, Person, Voice, color
from s2vkit_synthetic.leads import LEADS
from s2vkit_synthetic.shapes import Color, mix

_WALLS = (
    "d9c9a8",
    "7fa6b8",
    "b9c4ae",
    "e6b89c",
    "8c5f6b",
    "c8b7cf",
    "a9d0d6",
    "c9c3b2",
    "6f86a8",
    "9fb6a2",
    "d8a867",
)
_CLOTHS = (
    "2f6f73",
    "e8e4da",
    "7d4a7e",
    "3f5b8c",
    "e0a030",
    "6b7f5a",
    "d9646a",
    "39415a",
    "b5473c",
    "51575e",
    "a83f5b",
)


def cast(count: int) -> list[Person]:
    """Return the first `count` (at most 64) people of the cast."""
    people = list(LEADS)
    while len(people) < count:
        people.append(_newcomer(len(people)))
    return people[:count]


def _newcomer(index: int) -> Person:
    """Mix somebody new of the leads that share a sex, near in age."""
    rng = np.random.default_rng(7_000 + index)
    sex = "fm"[index % 2]
    own = [p for p in LEADS if p.sex == sex]
    base, other, third = (own[k] for k in rng.permutation(len(own))[:3])
    near = min((p for p in own if p is not base), key=lambda p: abs(p.age - base.age))
    old = base.age > 55
    tones = list(SKINS.values())
    skin = mix(other.skin, tones[rng.integers(len(tones))], float(rng.uniform(0, 0.6)))
    lip = mix(_lip_for(skin), third.lip, 0.5)
    deep = sum(skin) < 1.75  # dark hair and eyes go with dark skin
    hairs, eyes = list(HAIRS.values())[: 3 if deep else 7], list(EYES.values())
    eyes = eyes[:3] if deep else eyes
    hair = base.hair if old else hairs[rng.integers(len(hairs))]
    return replace(
        base,
        age=int(base.age + rng.integers(-4, 5)),
        skin=skin,
        lip=lip,
        hair=hair,
        eye=eyes[rng.integers(len(eyes))],
        style=near.style if rng.random() < 0.5 else base.style,
        clothes=other.clothes,
        cloth=color(str(rng.choice(_CLOTHS))),
        wall=color(str(rng.choice(_WALLS))),
        voice=_new_voice(rng, base.voice, near.voice),
        width=_near(rng, base.width, 0.02),
        jaw=_near(rng, base.jaw, 0.02),
        chin=_near(rng, base.chin, 0.03),
        length=_near(rng, base.length, 0.02),
        eye_size=_near(rng, other.eye_size, 0.006),
        eye_high=_near(rng, other.eye_high, 0.006),
        eye_gap=_near(rng, base.eye_gap, 0.008),
        eye_tilt=third.eye_tilt,
        brow_thick=_near(rng, base.brow_thick, 0.004),
        nose_wide=other.nose_wide,
        nose_low=base.nose_low,
        mouth=_near(rng, third.mouth, 0.008),
        lips=third.lips,
        glasses=str(rng.choice(["", "", base.glasses, "round", "square"])),
        beard=str(rng.choice(["", base.beard, "stubble", "full", "goatee"])) if sex == "m" else "",
        moustache=sex == "m" and bool(rng.random() < 0.2),
        freckles=not deep and bool(rng.random() < 0.25),
        earrings=sex == "f" and bool(rng.random() < 0.5),
    )


def _lip_for(skin: Color) -> Color:
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
        ring=kind.ring * float(rng.uniform(0.7, 1.4)),
    )
