"""The sentences and emotions of CREMA-D (Cao et al., 2014), and how it names its clips."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "IEO": "It's eleven o'clock.",
    "TSI": "The surface is slick.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "IWW": "I wonder what this is about.",
    "WSI": "We'll stop in a couple of minutes.",
}
"""The last are held out by `split: by_sentence`; they are of middle length, not the shortest."""

EMOTIONS: dict[str, str] = {
    "neutral": "NEU",
    "happiness": "HAP",
    "sadness": "SAD",
    "anger": "ANG",
    "disgust": "DIS",
    "fear": "FEA",
}

LEVELS: dict[str, float] = {"XX": 1.0, "HI": 1.15, "MD": 0.8, "LO": 0.6}
"""CREMA-D's levels of intensity, and how far an expression goes at each; XX is unspecified."""
