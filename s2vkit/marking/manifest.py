"""The content credentials of a generated video: who made it, with which model. No other package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.files import sha256_of

AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
OURS = "org.s2vkit.model"  # the label of our own assertion


@dataclass(frozen=True)
class Maker:
    """What made a video: the hashes, in hex, of the model's weights and of its recipe."""

    version: str  # of s2vkit
    model: str  # SHA-256
    recipe: str | None = None  # SHA-256; None if a model is used without its run


def maker_of(weights: Path, recipe: Path | None, version: str) -> Maker:
    """Hash the files that a model consists of."""
    known = recipe is not None and recipe.is_file()
    return Maker(version, sha256_of(weights), sha256_of(recipe) if recipe and known else None)


def manifest(maker: Maker) -> dict[str, Any]:
    """Write the manifest of a video as C2PA takes it."""
    agent = {"name": "s2vkit", "version": maker.version}
    created = {"action": "c2pa.created", "digitalSourceType": AI_MADE, "softwareAgent": agent}
    hashes = {"model_sha256": maker.model, "recipe_sha256": maker.recipe}
    known = {name: value for name, value in hashes.items() if value is not None}
    return {
        "claim_generator_info": [agent],
        "format": "video/mp4",
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": OURS, "data": known},
        ],
    }


def is_ai_made(active: dict[str, Any]) -> bool:
    """Return whether an active manifest says that a trained model made the file."""
    for assertion in active.get("assertions", []):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            actions = assertion.get("data", {}).get("actions", [])
            if any(action.get("digitalSourceType") == AI_MADE for action in actions):
                return True
    return False
