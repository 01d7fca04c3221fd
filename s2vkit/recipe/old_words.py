"""Words that recipes and commands used before, and what each is called now. Data, and its look-up.

There are no aliases: a recipe with an old word gets one error that names the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

OLD_KEYS: dict[str, tuple[str, ...]] = {
    "judges": ("evaluators",),
    "judge": ("evaluator",),
    "sync_judge": ("sync_evaluator",),
    "detector": ("face_detector",),
    "least_face": ("min_face",),
    "least_score": ("min_score",),
    "most_silence": ("max_silence",),
    "least": ("min_width", "min_size"),
    "seen": ("visible_above",),
    "unheard": ("unseen",),
    "most": ("max_multiple",),
    "shut": ("close_above",),
    "open": ("open_below",),
    "stretches": ("segments",),
    "emotion_frames": ("sampled_frames: {emotion: N}",),
    "emotion_pool": ("cached_frames: {emotion: N}",),
    "identity_frames": ("cached_frames: {identity: N}",),
    "reach": ("context_radius",),
    "around": ("context",),
    "lead": ("warmup_frames",),
    "still": ("reference",),
    "then": ("action",),
    "won": ("max_accuracy",),
    "lost": ("min_accuracy",),
    "game": ("adversarial_loss",),
    "balance": ("discriminator_accuracy",),
}
"""An option's old name -> what it may be called now; the first that the component has is named."""

OLD_NAMES: dict[str, tuple[str, str]] = {
    "hear": ("stages", "pretrain"),
    "teach": ("stages", "train_teachers"),
    "judge": ("stages", "train_evaluators"),
    "sync_judge": ("stages", "sync_evaluator"),
    "second_judge": ("stages", "second_evaluator"),
    "openness": ("evaluators", "mouth_aperture"),
    "openness_correlation": ("metrics", "mouth_aperture_correlation"),
}
"""A name that shipped recipes gave in a mapping -> that mapping, and the name it has now."""

OLD_COMPONENTS: dict[tuple[str, str], str] = {
    ("stage", "sync_judge"): "sync_evaluator",
    ("metric", "openness_correlation"): "mouth_aperture_correlation",
}
"""A component's kind and old name -> its name now."""

OLD_VALUES: dict[str, str] = {
    "judge": "evaluator",
    "openness": "mouth_aperture",
    "who": "speaker",
    "mood": "emotion",
    "stills": "reference_images",
    "sounds": "audio_windows",
    "around": "context",
    "heard": "seen",
    "unheard": "unseen",
}
"""A word that stood as a value -> the word now."""

OLD_RECIPES: dict[str, str] = {"judges": "evaluators", "probes_unheard": "probes_unseen"}
"""A shipped recipe's old name -> its name now."""

OLD_OPTIONS: dict[str, str] = {"--most-aside": "--max-rejected", "--unheard": "--unseen"}
"""An option of the command line -> its name now."""


def new_key(old: str, known: Collection[str]) -> str | None:
    """Name what an unknown key is called now, among the keys that are known there."""
    for new in OLD_KEYS.get(old, ()):
        if new.partition(":")[0] in known:
            return new
    return None


def old_keys_of(new: str, entries: Collection[str]) -> list[str]:
    """List the old names of a key that stand among some entries."""
    return [old for old in entries if any(n.partition(":")[0] == new for n in OLD_KEYS.get(old, ()))]


def new_name(old: str, mapping: str) -> str | None:
    """Name what an entry of a mapping (`stages`, `evaluators`, `metrics`) is called now."""
    group, new = OLD_NAMES.get(old, ("", ""))
    return new if group == mapping else None


def new_value(old: object, known: Collection[str]) -> str | None:
    """Name the word that an old value is called now, if it is among those that are known."""
    new = OLD_VALUES.get(old) if isinstance(old, str) else None
    return new if new in known else None


def renamed(what: str, old: str, new: str) -> str:
    """Format the message that something has a new name."""
    return f"{what} '{old}' is now called '{new}'"


def rename_hint(old: str, table: Mapping[str, str]) -> str:
    """Return the hint for an old word of a table; empty if it is not in it."""
    return f"it is now called '{table[old]}'" if old in table else ""
