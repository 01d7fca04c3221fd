"""The contract of a stage that trains: its phases, each with what it trains and its loss.

The engine owns the one loop: drawing batches, freezing, precision, optimizers, checkpoints,
resuming, devices. A stage is only its step, in phases where networks train against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.callback import Callback
from s2vkit.interfaces.data_parallel import Part
from s2vkit.interfaces.fields import BatchField
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.metric import Outcome, ProbeData
from s2vkit.options import Slot, StageOptions
from s2vkit.validation_options import ValidationOptions

Loss = Callable[[Batch, Any], dict[str, Tensor]]  # of a batch and what its phases share


@dataclass(frozen=True)
class Phase:
    """A part of a step: only the modules named in `trains` are updated, all others are frozen.

    `loss` gives the weighted terms whose sum is minimised, by name, from the batch and from what
    `Stage.shared_forward` gave.
    """

    name: str
    trains: tuple[str, ...]  # names of `Graph.modules()`, `inner_modules()` or `Stage.extras()`
    loss: Loss


@dataclass(frozen=True)
class Threshold:
    """The range in which a metric's mean over steps should stay: an early warning."""

    metric: str  # a name in the log
    minimum: float
    maximum: float
    steps: int  # over which the mean is taken
    meaning: str  # of a mean outside the range, for the user
    stops: bool = False  # whether training ends then, or only a warning is given


class Stage:
    """Base of training stages. Built as `Stage(options, graph=...)`."""

    options: StageOptions

    fields: tuple[BatchField, ...] = ()
    """The fields of each batch; labels are always included."""
    uses: tuple[str, ...] = ()
    """Frozen modules that it runs itself, by name (`student.identity`): its result depends on them."""
    same_speaker: bool = False  # whether all clips of a batch are of one speaker
    sample_pictures: int = 0  # how often during training they are drawn; needs the generator
    progress_metrics: tuple[str, ...] = ()  # metrics that the live view shows before all others
    held_out_runs: int = 0  # runs of frames of each of them; 0: as many as in training
    held_out: int = 512  # clips of the split val that `validate` is shown at most
    start_with: int = 0  # training clips that `start` is shown at most; 0: it is not called
    finish_with: int = 0  # training clips that `finish` is shown at most; 0: it is not called
    finish_runs: int = 0  # runs of frames of each of them; 0: as many as in training
    finish_consecutive: bool = False  # whether these follow upon each other, or are spread over the clip
    precise: bool = False
    """Whether on a CPU it is computed in fp32, though `precision: auto` takes bf16 there: where that
    would gain nothing, or figures hang on it."""
    validate_every: int = 0  # steps between calls of `validate` on held-out clips; 0: none
    validation: ValidationOptions | None = None  # of clips that the generator has generated; None: none

    def idle(self) -> str:
        """Explain why there is nothing to train here (weights from a file, say); empty: there is."""
        return ""

    def optimizers(self) -> dict[str, Slot]:
        """Return the optimizer slot of each trained module, by the module's name."""
        raise NotImplementedError

    def extras(self) -> dict[str, Any]:
        """Name modules that only training needs (a predictor, a projection)."""
        return {}

    def averages(self) -> dict[str, float]:
        """Return the decay of the running mean of weights, by module; 0: none."""
        return {}

    def phases(self) -> Sequence[Phase]:
        """Divide a step into phases; by default one, of everything that has an optimizer."""
        return [Phase("all", tuple(self.optimizers()), self.loss)]

    def shared_forward(self, batch: Batch) -> Any:
        """Compute, with gradient, what the phases of one step share; by default nothing."""
        return None

    def loss(self, batch: Batch, shared: Any) -> dict[str, Tensor]:
        """Return the weighted terms of a stage of one phase, by name."""
        raise NotImplementedError

    def extra_metrics(self, batch: Batch, shared: Any) -> dict[str, Tensor]:
        """Return further metrics to log (accuracies); never trained on."""
        return {}

    def thresholds(self) -> Sequence[Threshold]:
        """Name the metrics that should stay in a range; by default none."""
        return []

    def callbacks(self) -> Sequence[Callback]:
        """Return callbacks of the stage itself; by default none."""
        return []

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Return figures of clips of the split val, all modules in eval mode and without gradient.

        They are logged as `val.NAME`. The same clips every time, at most `held_out` of them.
        """
        return {}

    def start(self, clips: Batch) -> None:
        """Change in place, before the first step, what is to be trained.

        `clips` are whole training clips, always the same, at most `start_with` of them. What has been
        trained already (`start_from`) should keep what its weights rely on.
        """

    def finish(self, clips: Batch) -> None:
        """Change once more, in place, what was trained: after the last step, in eval mode.

        `clips` are whole training clips, always the same, at most `finish_with` of them. A run
        that is killed meanwhile does it again from the last step's weights.
        """


class Work(Protocol):
    """What a job can use of the engine."""

    graph: Graph
    folder: Path  # the run folder
    part: Part  # of the work that this process does; the whole, unless a job is `shared`

    def outcomes(self, split: str, max_clips: int | None, under: str | None = None) -> Iterator[Outcome]:
        """Generate clips of a split from their speech alone, each with the real clip.

        With `under`, from recordings changed as `s2vkit.speech.conditions` says. Processes that share a job
        divide the generating, and each of them is given every clip.
        """
        ...

    def collect(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return what all processes that share the job have found, by name; no tensors on a GPU."""
        ...

    def probe_data(self, split: str) -> ProbeData:
        """Return the vectors of the clips of a split; the job must list them in `fields`."""
        ...

    def save(self, name: str, data: Any) -> None:
        """Write `data` as JSON to NAME in the run folder, atomically; of several processes, rank 0 does."""
        ...

    def save_text(self, name: str, text: str) -> None:
        """Write `text` to NAME in the run folder, atomically; of several processes, rank 0 does."""
        ...


class Job:
    """Base of stages that train nothing (evaluation). Built as `Job(options, graph=...)`."""

    leaves: tuple[str, ...] = ()  # files of the run folder that are its result
    splits: tuple[str, ...] = ()  # splits of the corpus that it needs clips of
    fields: tuple[BatchField, ...] = ()  # what `Work.heard` gives, of which frozen features
    shared: bool = False
    """Whether several processes run it together, each its `Work.part`; else rank 0 runs it alone.

    All must go through `outcomes` to the end and call `collect` as often, and write by `save` alone.
    """
    uses: tuple[str, ...] = ("encoder", "student", "generator", "evaluator", "sync_evaluator", "landmarks")
    """Kinds of parts whose weights its result depends on."""

    def run(self, work: Work) -> None:
        """Do the job once; what it leaves in the run folder is its result."""
        raise NotImplementedError
