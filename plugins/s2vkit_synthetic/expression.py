"""What an emotion does to a face: one set of numbers for each, blended from neutral."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Expression:
    """Offsets from a neutral face; lengths in picture coordinates, y down."""

    brow_in: float = 0.0  # the brow's inner end goes down by
    brow_mid: float = 0.0
    brow_out: float = 0.0
    brow_near: float = 0.0  # inner ends come nearer by
    eye_open: float = 1.0  # factor of the upper lid
    lid_low: float = 0.0  # how far the lower lid is raised, 0 to 1
    corner: float = 0.0  # mouth corners go up by
    wide: float = 1.0  # factor of the mouth's width
    thick: float = 1.0  # factor of the lips
    sneer: float = 0.0  # one side of the mouth goes up by
    lift: float = 0.0  # the whole mouth goes up by
    gain: float = 1.0  # how far the mouth opens in speech
    teeth: float = 1.0
    cheek: float = 0.0  # raised cheeks
    frown: float = 0.0  # lines between the brows
    wrinkle: float = 0.0  # of the nose
    forehead: float = 0.0  # lines across it
    blush: float = 0.0  # redder; below 0 paler
    green: float = 0.0
    iris: float = 1.0  # factor of its size
    gaze: float = 0.0  # eyes look down by
    tears: float = 0.0
    bow: float = 0.0  # the head goes down by
    near: float = 1.0  # factor of the head's size
    turn: float = 0.0  # the head tilts by (radians)


EXPRESSIONS: dict[str, Expression] = {
    "neutral": Expression(),
    "happiness": Expression(
        brow_in=-0.015,
        brow_mid=-0.035,
        brow_out=-0.01,
        eye_open=0.86,
        lid_low=0.55,
        corner=0.095,
        wide=1.28,
        thick=0.85,
        gain=1.05,
        teeth=1.3,
        cheek=1.0,
        blush=0.5,
        turn=0.025,
    ),
    "sadness": Expression(
        brow_in=-0.095,
        brow_mid=-0.015,
        brow_out=0.065,
        brow_near=0.02,
        eye_open=0.66,
        lid_low=0.1,
        corner=-0.085,
        wide=0.90,
        thick=1.0,
        gain=0.72,
        teeth=0.4,
        forehead=0.3,
        blush=-0.1,
        gaze=0.02,
        tears=1.0,
        bow=0.025,
        turn=-0.02,
        frown=0.15,
    ),
    "anger": Expression(
        brow_in=0.105,
        brow_mid=0.035,
        brow_out=-0.05,
        brow_near=0.035,
        eye_open=0.80,
        lid_low=0.35,
        corner=-0.05,
        wide=1.05,
        thick=0.72,
        gain=1.15,
        teeth=1.6,
        frown=1.0,
        blush=0.9,
        iris=0.9,
        near=1.025,
        bow=0.01,
    ),
    "disgust": Expression(
        brow_in=0.050,
        brow_mid=0.065,
        brow_out=0.055,
        brow_near=0.02,
        eye_open=0.46,
        lid_low=0.70,
        corner=-0.045,
        wide=0.92,
        thick=1.15,
        sneer=0.055,
        lift=0.03,
        gain=0.8,
        teeth=0.8,
        cheek=0.35,
        wrinkle=1.0,
        green=0.8,
        turn=0.03,
        frown=0.3,
    ),
    "fear": Expression(
        brow_in=-0.115,
        brow_mid=-0.075,
        brow_out=-0.03,
        brow_near=0.015,
        eye_open=1.42,
        lid_low=-0.35,
        corner=-0.045,
        wide=1.16,
        thick=0.8,
        gain=0.92,
        teeth=1.1,
        forehead=1.0,
        blush=-0.9,
        iris=0.74,
        near=0.985,
    ),
}


def express(emotion: str, strength: float) -> Expression:
    """Blend from neutral (0) to the full expression (1), or beyond."""
    full, rest = EXPRESSIONS[emotion], EXPRESSIONS["neutral"]
    values = {}
    for field in fields(Expression):
        start, end = getattr(rest, field.name), getattr(full, field.name)
        values[field.name] = start + (end - start) * strength
    return Expression(**values)
