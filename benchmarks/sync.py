"""Whether the sync evaluator hears what it should: real clips and the synthetic corpus, held out.

python benchmarks/sync.py corpus RUN                 a finished run of recipes/sync.yaml
python benchmarks/sync.py real FOLDER [--start RUN]  video files of talking faces, in folders
python benchmarks/sync.py both FOLDER --corpus DIR   those, and a prepared synthetic corpus

`corpus` takes the evaluator that the run trained and shows it the corpus' test split, in sync and
with the speech moved by -10 to 10 frames. `real` cuts faces out (facenet-pytorch's MTCNN),
trains an evaluator on all clips but those of one fold of the folder `grid`, and tests on that fold;
so no test clip, and no speaker of one, was trained on. `--start` begins from the evaluator of a run
on the synthetic corpus; with `--steps 0` that evaluator is tested as it is, on every clip of `grid`.
`both` trains an evaluator on the synthetic corpus' training split (a folder of the cache,
runs/.cache/corpus-synthetic-*), tests it as it is, and goes on with it, for each half of the
speakers of `grid`, on the other half and drawn clips in equal shares; `--wild` adds the clips of
the other folders.
Printed: the share of clips whose offset is exact and to within a frame, the median offset, how
often it is exact beside the clip's own at no shift (a recording need not be in sync to the
frame), and how well confidence tells in-sync clips from others (AUC; 0.5: not at all).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch
from measuring import machine
from s2vkit_syncnet import SyncEvaluatorStageOptions, SyncNetOptions
from s2vkit_syncnet.distance import Reading, distances, read
from s2vkit_syncnet.evaluator import SyncNet
from s2vkit_syncnet.training import TrainSyncEvaluator
from sync_clips import FRAME, RATE, SIDE, Clip, cut, of_corpus, speaker, usable
from torch import Tensor

from s2vkit import AudioEncoder, Batch, DataSpec, Graph, Slot
from s2vkit.build import Builder
from s2vkit.interfaces.pixels import to_images
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.tensors import load_modules

LEADS = tuple(range(-10, 11))
FAR = 25  # frames: beyond the search, so that no shift brings lips and speech together
SMALL = SyncNetOptions(width=0.125, input_size=56, region="mouth", motion=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["corpus", "real", "both"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=Path, help="run whose evaluator real training begins from")
    parser.add_argument("--corpus", type=Path, help="both: folder of the synthetic corpus")
    parser.add_argument("--drawn", type=int, default=400, help="both: steps on drawn clips alone")
    parser.add_argument("--wild", action="store_true", help="both: train on the other folders too")
    parser.add_argument("--folds", type=int, default=4, help="real: parts of grid held out in turn")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--clips", type=int, default=96)
    given = parser.parse_args()
    print(machine())
    if given.what == "corpus":
        measure("held-out clips of the corpus", *of_run(given.folder, given.clips))
    elif given.what == "both":
        if given.corpus is None:
            parser.error("both needs --corpus")
        drawn_and_real(given.folder, given.corpus, given.drawn, given.steps, given.wild)
    else:
        cross_validate(given.folder, given.folds, given.steps, given.start)


def of_run(run: Path, most: int) -> tuple[SyncNet, list[Clip]]:
    """Return the evaluator that a run trained, and the test split of its corpus."""
    recipe = load_recipe(run / "recipe.yaml").recipe
    builder = Builder(recipe, registry())
    assert recipe.sync_evaluator is not None
    evaluator = builder.part("sync_evaluator", recipe.sync_evaluator, size=builder.dataset().size)
    weights = next(run.glob("stages/sync_evaluator*/weights.safetensors"))
    load_modules(weights, {"sync_evaluator": evaluator})
    found = of_corpus(next(Path(recipe.cache).glob(f"corpus-{recipe.data.use}-*")), "test")
    return evaluator.eval(), found[:: max(1, len(found) // most)]


def measure(title: str, evaluator: SyncNet, clips: Sequence[Clip]) -> list[list[Reading]]:
    """Print a table of shifts; give the readings."""
    given = [(_seen(evaluator, clip), clip.speech) for clip in clips]
    table = {lead: [_reading(evaluator, lips, _led(s, lead)) for lips, s in given] for lead in LEADS}
    others = [given[i - 1][1] for i in range(len(given))]
    wrong = [_reading(evaluator, lips, s) for (lips, _), s in zip(given, others, strict=True)]
    far = [_reading(evaluator, lips, torch.roll(s, FAR * FRAME)) for lips, s in given]
    show(title, table, wrong, far)
    return [table[0], wrong, far]


def show(title: str, table: dict[int, list[Reading]], wrong: list[Reading], far: list[Reading]) -> None:
    """Print what was read."""
    print(f"\n{title}: {len(far)} clips")
    print("speech leads by   exact   within 1   median   confidence   median less distance at 0")
    for lead, readings in table.items():
        apart = [abs(r.offset - lead) for r in readings]
        exact, near = fmean(a == 0 for a in apart), fmean(a <= 1 for a in apart)
        middle, sure = median(r.offset for r in readings), fmean(r.confidence for r in readings)
        at_zero = fmean(r.in_sync for r in readings)
        row = f"{lead:15d}   {exact:5.2f}   {near:8.2f}   {middle:6g}   {sure:10.3f}"
        print(f"{row}   {at_zero:25.3f}")
    for name, readings in (("of another clip", wrong), (f"rolled by {FAR}", far)):
        mean, apart = fmean(r.confidence for r in readings), _auc(table[0], readings)
        print(f"speech {name}: confidence {mean:.3f}; told from in-sync clips with AUC {apart:.3f}")
    show_own(table)
    moved = [r for lead, rows in table.items() if lead for r in rows]
    at_zero = np.mean([a.in_sync > b.in_sync for a in table[0] for b in moved])
    print(f"in sync against moved by 1 to 10, by the distance at 0: AUC {at_zero:.3f}")


def show_own(table: dict[int, list[Reading]]) -> None:
    """Print what each clip's own offset is, and how exact the others are beside it."""
    own = [r.offset for r in table[0]]
    kept = [
        reading.offset - at_rest == lead
        for lead, readings in table.items()
        if lead
        for reading, at_rest in zip(readings, own, strict=True)
    ]
    exact = [r.offset == lead for lead, readings in table.items() for r in readings]
    near = [abs(r.offset - lead) <= 1 for lead, readings in table.items() for r in readings]
    print(f"offsets at no shift: {own}")
    print(
        f"over all shifts: exact {fmean(exact):.3f}, within 1 {fmean(near):.3f}, "
        f"exact beside the clip's own {fmean(kept):.3f}"
    )


def _auc(good: list[Reading], bad: list[Reading]) -> float:
    return float(np.mean([g.confidence > b.confidence for g in good for b in bad]))


@torch.no_grad()
def _seen(evaluator: SyncNet, clip: Clip) -> Tensor:
    return evaluator.see(to_images(clip.frames)[None])[0]


@torch.no_grad()
def _reading(evaluator: SyncNet, lips: Tensor, speech: Tensor) -> Reading:
    count = min(len(lips), len(speech) // FRAME - 5)
    return read(distances(lips[:count], evaluator.hear(speech[None], count)[0], 15, "overlap"))


def _led(speech: Tensor, lead: int) -> Tensor:
    """Move speech so that it leads by so many frames; what is not there is silence."""
    moved = torch.zeros_like(speech)
    samples = lead * FRAME
    if samples >= 0:
        moved[: len(speech) - samples] = speech[samples:]
    else:
        moved[-samples:] = speech[:samples]
    return moved


def cross_validate(folder: Path, folds: int, steps: int, start: Path | None) -> None:
    """Train on all real clips but a fold of GRID's; test on that fold; pool the folds."""
    clips = {path: cut(path) for path in sorted(folder.rglob("*")) if usable(path)}
    grid = [p for p in clips if p.parent.name == "grid"]
    if start and not steps:
        evaluator, _ = of_run(start, 1)
        measure("grid, by an evaluator that saw drawn faces alone", evaluator, [clips[p] for p in grid])
        return
    speakers = sorted({speaker(p) for p in grid})
    pooled: list[tuple[SyncNet, list[Clip]]] = []
    for fold in range(folds):
        out = set(speakers[fold::folds])
        held = [p for p in grid if speaker(p) in out]
        train = [clip for p, clip in clips.items() if p not in held]
        evaluator = fit(train, steps, of_run(start, 1)[0] if start else None)
        pooled.append((evaluator, [clips[p] for p in held]))
        print(f"fold {fold}: held out {', '.join(p.stem for p in held)}", flush=True)
    _show_pooled(pooled)


def drawn_and_real(folder: Path, corpus: Path, drawn: int, steps: int, wild: bool) -> None:
    """Train on drawn clips, then on them and half of GRID's speakers; test on the other half."""
    lively = of_corpus(corpus, "train")
    first = fit(lively, drawn, None)
    measure("drawn clips held out", first, of_corpus(corpus, "test")[::4])
    clips = {path: cut(path) for path in sorted(folder.rglob("*")) if usable(path)}
    grid = [p for p in clips if p.parent.name == "grid"]
    measure("grid, by an evaluator that saw drawn faces alone", first, [clips[p] for p in grid])
    speakers = sorted({speaker(p) for p in grid})
    pooled: list[tuple[SyncNet, list[Clip]]] = []
    for half in range(2):
        out = set(speakers[half::2])
        held = [p for p in grid if speaker(p) in out]
        real = [clips[p] for p in clips if p not in held and (wild or p in grid)]
        often = max(1, round(_frames(lively) / _frames(real)))
        evaluator = fit(lively + often * real, steps, first)
        pooled.append((evaluator, [clips[p] for p in held]))
        print(f"held out {', '.join(p.stem for p in held)}", flush=True)
    _show_pooled(pooled)


def _frames(clips: list[Clip]) -> int:
    return sum(len(clip.frames) for clip in clips)


def _show_pooled(pooled: list[tuple[SyncNet, list[Clip]]]) -> None:
    table: dict[int, list[Reading]] = {lead: [] for lead in LEADS}
    wrong, far = [], []
    for evaluator, clips in pooled:
        everyone = [c.speech for _, others in pooled for c in others]
        for clip in clips:
            lips = _seen(evaluator, clip)
            for lead in LEADS:
                table[lead].append(_reading(evaluator, lips, _led(clip.speech, lead)))
            wrong += [_reading(evaluator, lips, s) for s in everyone if s is not clip.speech]
            far.append(_reading(evaluator, lips, torch.roll(clip.speech, FAR * FRAME)))
            print(f"{clip.name}: {table[0][-1]}")
    show("held-out clips of grid", table, wrong, far)


def fit(clips: list[Clip], steps: int, start: SyncNet | None) -> SyncNet:
    """Train an evaluator on clips, with the stage's own batch and loss; `start` stays as it is."""
    torch.manual_seed(0)
    evaluator = deepcopy(start) if start else SyncNet(SMALL, size=SIDE)
    options = SyncEvaluatorStageOptions(
        steps=steps, batch=8, colour=0.4, optimizer=Slot("optimizer", "adamw", _NONE)
    )
    graph = Graph(DataSpec(SIDE, 25.0, RATE, {}), _Ear(), make=None, sync_evaluator=evaluator)
    stage = TrainSyncEvaluator(options, graph=graph)
    parameters = [*evaluator.train().parameters(), *stage.extras()["scale"].parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05)
    begin, figures = time.process_time(), []
    for step, batch in enumerate(_batches(clips, stage, steps)):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 10) * (1 - step / steps)
        shared = stage.shared_forward(batch)
        loss = stage.loss(batch, shared)["match"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        figures.append(float(loss.detach()))
    print(
        f"loss {fmean(figures[:10]):.2f} to {fmean(figures[-10:]):.2f}, {steps} steps, "
        f"{time.process_time() - begin:.0f} s of CPU"
    )
    return evaluator.eval()


def _batches(clips: list[Clip], stage: TrainSyncEvaluator, steps: int) -> Iterator[Batch]:
    lengths = torch.tensor([len(c.frames) for c in clips], dtype=torch.float)
    for _ in range(steps):
        chosen = torch.multinomial(lengths, stage.options.batch, replacement=True).tolist()
        starts = [int(torch.randint(len(clips[i].frames) - stage.frames, ())) for i in chosen]
        runs = [slice(s, s + stage.frames) for s in starts]
        frames = torch.stack([clips[i].frames[r] for i, r in zip(chosen, runs, strict=True)])
        speech = torch.stack(
            [clips[i].speech[r.start * FRAME : r.stop * FRAME] for i, r in zip(chosen, runs, strict=True)]
        )
        times = torch.arange(stage.frames).expand(len(chosen), -1)
        yield Batch([], data={"frames": to_images(frames), "speech": speech, "times": times})


class _Ear(AudioEncoder):
    sample_rate = RATE


_NONE = SyncNetOptions()


if __name__ == "__main__":
    main()
