"""Whether the sync judge hears what it should: real clips and the embedded corpus, held out.

python benchmarks/sync.py corpus RUN                 a finished run of recipes/sync.yaml
python benchmarks/sync.py real FOLDER [--start RUN]  video files of talking faces, in folders

`corpus` takes the judge that the run trained and shows it the corpus' test split, in sync and
with the speech moved by -10 to 10 frames. `real` cuts faces out (facenet-pytorch's MTCNN),
trains a judge on all clips but those of one fold of the folder `grid`, and tests on that fold;
so no test clip, and no speaker of one, was trained on. `--start` begins from the judge of a run
on the embedded corpus; with `--steps 0` that judge is tested as it is, on every clip of `grid`.
Printed: the share of clips whose offset is exact and to within a frame, the median offset, and
how well confidence tells in-sync clips from others (AUC; 0.5: not at all).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
import torch
from measuring import machine
from s2vkit_syncnet import SyncJudgeStageOptions, SyncNetOptions
from s2vkit_syncnet.distance import Reading, distances, read
from s2vkit_syncnet.judge import SyncNet
from s2vkit_syncnet.training import TrainSyncJudge
from torch import Tensor

from s2vkit import Clips, Graph, Slot, World
from s2vkit.build import Builder
from s2vkit.data.frozen import to_images
from s2vkit.data.store import ClipStore
from s2vkit.engine.checkpoint import load_modules
from s2vkit.media import read_frames, read_speech
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe

RATE, FRAME = 16000, 640
LEADS = (-10, -5, -1, 0, 1, 5, 10)
FAR = 25  # frames: beyond the search, so that no shift brings lips and speech together
SIDE = 64  # of the cut-out faces
SMALL = SyncNetOptions(width=0.125, input_size=56, region="mouth", motion=True)
SPEAKERS = {"swwp2s": "pwij3p"}  # two of GRID's clips are of one speaker


@dataclass
class Clip:
    """A clip at 25 frames a second and 16 kHz."""

    name: str
    frames: Tensor  # (V, H, W, 3) uint8
    speech: Tensor  # (S,)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["corpus", "real"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=Path, help="run whose judge real training begins from")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--clips", type=int, default=96)
    given = parser.parse_args()
    print(machine())
    if given.what == "corpus":
        measure("held-out clips of the corpus", *of_run(given.folder, given.clips))
    else:
        cross_validate(given.folder, given.folds, given.steps, given.start)


def of_run(run: Path, most: int) -> tuple[SyncNet, list[Clip]]:
    """Give the judge that a run trained, and the test split of its corpus."""
    recipe = load_recipe(run / "recipe.yaml").recipe
    builder = Builder(recipe, registry())
    assert recipe.sync_judge is not None
    judge = builder.part("sync_judge", recipe.sync_judge, size=builder.dataset().size)
    weights = next(run.glob("stages/sync_judge*/weights.safetensors"))
    load_modules(weights, {"sync_judge": judge})
    store = ClipStore(next(Path(recipe.cache).glob(f"corpus-{recipe.data.use}-*")))
    found = [
        Clip(
            store.clips[i].name, torch.from_numpy(store.frames(i)),
            torch.from_numpy(store.speech(i, RATE)),
        )
        for i in store.split("test")
    ]  # fmt: skip
    return judge.eval(), found[:: max(1, len(found) // most)]


def measure(title: str, judge: SyncNet, clips: Sequence[Clip]) -> list[list[Reading]]:
    """Print a table of shifts; give the readings."""
    given = [(_seen(judge, clip), clip.speech) for clip in clips]
    table = {lead: [_reading(judge, lips, _led(s, lead)) for lips, s in given] for lead in LEADS}
    others = [given[i - 1][1] for i in range(len(given))]
    wrong = [_reading(judge, lips, s) for (lips, _), s in zip(given, others, strict=True)]
    far = [_reading(judge, lips, torch.roll(s, FAR * FRAME)) for lips, s in given]
    show(title, table, wrong, far)
    return [table[0], wrong, far]


def show(
    title: str, table: dict[int, list[Reading]], wrong: list[Reading], far: list[Reading]
) -> None:
    """Print what was read."""
    print(f"\n{title}: {len(wrong)} clips")
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
    moved = [r for lead, rows in table.items() if lead for r in rows]
    at_zero = np.mean([a.in_sync > b.in_sync for a in table[0] for b in moved])
    print(f"in sync against moved by 1 to 10, by the distance at 0: AUC {at_zero:.3f}")


def _auc(good: list[Reading], bad: list[Reading]) -> float:
    return float(np.mean([g.confidence > b.confidence for g in good for b in bad]))


@torch.no_grad()
def _seen(judge: SyncNet, clip: Clip) -> Tensor:
    return judge.see(to_images(clip.frames)[None])[0]


@torch.no_grad()
def _reading(judge: SyncNet, lips: Tensor, speech: Tensor) -> Reading:
    count = min(len(lips), len(speech) // FRAME - 5)
    return read(distances(lips[:count], judge.hear(speech[None], count)[0], 15, "overlap"))


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
    clips = {path: cut(path) for path in sorted(folder.rglob("*")) if _usable(path)}
    grid = [p for p in clips if p.parent.name == "grid"]
    if start and not steps:
        judge, _ = of_run(start, 1)
        measure("grid, by a judge that saw drawn faces alone", judge, [clips[p] for p in grid])
        return
    speakers = sorted({SPEAKERS.get(p.stem, p.stem) for p in grid})
    pooled: list[tuple[SyncNet, list[Clip]]] = []
    for fold in range(folds):
        out = set(speakers[fold::folds])
        held = [p for p in grid if SPEAKERS.get(p.stem, p.stem) in out]
        train = [clip for p, clip in clips.items() if p not in held]
        judge = fit(train, steps, start)
        pooled.append((judge, [clips[p] for p in held]))
        print(f"fold {fold}: held out {', '.join(p.stem for p in held)}", flush=True)
    _show_pooled(pooled)


def _show_pooled(pooled: list[tuple[SyncNet, list[Clip]]]) -> None:
    table: dict[int, list[Reading]] = {lead: [] for lead in LEADS}
    wrong, far = [], []
    for judge, clips in pooled:
        everyone = [c.speech for _, others in pooled for c in others]
        for clip in clips:
            lips = _seen(judge, clip)
            for lead in LEADS:
                table[lead].append(_reading(judge, lips, _led(clip.speech, lead)))
            wrong += [_reading(judge, lips, s) for s in everyone if s is not clip.speech]
            far.append(_reading(judge, lips, torch.roll(clip.speech, FAR * FRAME)))
            print(f"{clip.name}: {table[0][-1]}")
    show("held-out clips of grid", table, wrong, far)


def fit(clips: list[Clip], steps: int, start: Path | None) -> SyncNet:
    """Train a judge on clips, with the stage's own batch and loss."""
    torch.manual_seed(0)
    judge = of_run(start, 1)[0] if start else SyncNet(SMALL, size=SIDE)
    options = SyncJudgeStageOptions(
        steps=steps, batch=8, colour=0.4, optimizer=Slot("optimizer", "adamw", _NONE)
    )
    graph = Graph(World(SIDE, 25.0, RATE, {}), None, _Ear(), sync_judge=judge)
    stage = TrainSyncJudge(options, graph=graph)
    parameters = [*judge.train().parameters(), *stage.extras()["scale"].parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.05)
    begin, figures = time.process_time(), []
    for step, batch in enumerate(_batches(clips, stage, steps)):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 10) * (1 - step / steps)
        shared = stage.prepare(batch)
        loss = stage.losses("all", batch, shared)["match"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        figures.append(float(loss.detach()))
    print(f"loss {fmean(figures[:10]):.2f} to {fmean(figures[-10:]):.2f}, {steps} steps, "
          f"{time.process_time() - begin:.0f} s of CPU")  # fmt: skip
    return judge.eval()


def _batches(clips: list[Clip], stage: TrainSyncJudge, steps: int) -> Iterator[Clips]:
    lengths = torch.tensor([len(c.frames) for c in clips], dtype=torch.float)
    for _ in range(steps):
        chosen = torch.multinomial(lengths, stage.options.batch, replacement=True).tolist()
        starts = [int(torch.randint(len(clips[i].frames) - stage.frames, ())) for i in chosen]
        runs = [slice(s, s + stage.frames) for s in starts]
        frames = torch.stack([clips[i].frames[r] for i, r in zip(chosen, runs, strict=True)])
        speech = torch.stack(
            [
                clips[i].speech[r.start * FRAME : r.stop * FRAME]
                for i, r in zip(chosen, runs, strict=True)
            ]
        )
        times = torch.arange(stage.frames).expand(len(chosen), -1)
        yield Clips(frames=to_images(frames), speech=speech, times=times)


class _Ear:
    sample_rate = RATE


_NONE = SyncNetOptions()


def _usable(path: Path) -> bool:
    return path.suffix in (".mp4", ".mpg") and path.parent.name != "awkward"


def cut(path: Path) -> Clip:
    """Cut the face out of a video: a square that follows it, the mouth at 3/4 of its height."""
    from facenet_pytorch import MTCNN

    speech = torch.from_numpy(read_speech(path, RATE).samples)
    frames, _ = read_frames(path)
    count = min(len(frames), len(speech) // FRAME)
    every = range(0, count, 8)
    net = MTCNN(keep_all=False, min_face_size=60).eval()
    marks = net.detect([frames[i] for i in every], landmarks=True)[2]
    known = [i for i, m in zip(every, marks, strict=True) if m is not None]
    points = np.stack(
        [np.asarray(m[0], float) for m in marks if m is not None]
    )  # eyes, nose, mouth
    eyes, mouth = points[:, :2].mean(1), points[:, 3:].mean(1)
    side = 3.2 * np.median(np.linalg.norm(mouth - eyes, axis=1))
    at = np.stack([np.interp(range(count), known, mouth[:, k]) for k in (0, 1)], 1)
    images = [_square(frames[i], at[i], side) for i in range(count)]
    return Clip(path.stem, torch.stack(images), speech[: count * FRAME])


def _square(frame: np.ndarray, mouth: np.ndarray, side: float) -> Tensor:
    left, top = mouth[0] - side / 2, mouth[1] - 0.75 * side
    whole = torch.from_numpy(frame).permute(2, 0, 1).float()[None]
    height, width = whole.shape[2:]
    scale = torch.tensor([[side / width, 0, 0], [0, side / height, 0]], dtype=torch.float32)
    scale[0, 2] = 2 * (left + side / 2) / width - 1
    scale[1, 2] = 2 * (top + side / 2) / height - 1
    big = torch.nn.functional.affine_grid(scale[None], [1, 3, 2 * SIDE, 2 * SIDE], False)
    seen = torch.nn.functional.grid_sample(whole, big, "bilinear", "border", False)
    return torch.nn.functional.avg_pool2d(seen, 2)[0].permute(1, 2, 0).round().byte()


if __name__ == "__main__":
    main()
