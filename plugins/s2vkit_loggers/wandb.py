"""Weights & Biases and what has its interface: one run a stage, those of a run in one group."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from s2vkit import LoggedStage, Logger, ResourceError
from s2vkit_loggers import WandbOptions


class Wandb(Logger):
    """Calls `init`, `log`, `Image` and `finish` of the package named; nothing else of it."""

    def __init__(self, options: WandbOptions) -> None:
        self.options = options
        self.package: Any = None

    def open(self, stage: LoggedStage) -> None:
        """Begin a run, or go on with the one of this stage and folder."""
        name = self.options.package
        try:
            package: Any = import_module(name)
        except ImportError as error:
            raise ResourceError(
                f"the logger 'wandb' needs the package {name}",
                hint=f"pip install 's2vkit[{name}]', or leave the logger out",
            ) from error
        settings: dict[str, Any] = {
            "project": self.options.project,
            "name": f"{stage.run} {stage.stage}",
            "group": stage.run,
            "config": dict(stage.recipe),
            "resume": "allow",
        }
        if name == "wandb":
            place = f"{stage.folder.resolve()}/{stage.stage}"
            settings |= {"id": hashlib.sha256(place.encode()).hexdigest()[:16], "dir": str(stage.folder)}
        package.init(**{**settings, **self.options.arguments})
        self.package = package

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        if step % self.options.every == 0:
            self.package.log(dict(values), step=step)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Add a picture."""
        self.package.log({name: self.package.Image(str(path))}, step=step)

    def close(self) -> None:
        """End the run."""
        package, self.package = self.package, None
        if package is not None:
            package.finish()
