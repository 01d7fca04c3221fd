"""A run folder made by hand, with everything a page shows and with names that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from s2vkit.report.pictures import contact_sheet, write_comparison

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
COMMAND = f"s2vkit run tiny.yaml --set name='{HOSTILE}'"
METRICS = {
    "emotion": {
        "value": 0.84375,
        "on_real": 0.97,
        "chance": 0.125,
        "n": 3,
        "definition": f"share of clips | evaluated <right> {HOSTILE}",
        "details": {
            "classes": ["joy", HOSTILE],
            "confusion": [[3, 1], [0, 0]],
            "confusion_on_real": [[4, 0], [0, 0]],
        },
    },
    "psnr": {"value": 21.5, "on_real": 100.0, "chance": 17.0, "n": 3, "definition": "in dB"},
    "map": {
        "value": 0.5,
        "on_real": None,
        "chance": None,
        "n": 3,
        "definition": "two axes",
        "details": {
            "map": {
                "of": "emotion",
                "points": [[0, 1], [1, 2], [2, 0]],
                "labels": {"emotion": ["joy", "fear", HOSTILE]},
            }
        },
    },
}
GRAPH = {
    "format": 1,
    "world": {"size": 32, "fps": 25.0, "sample_rate": 16000, "labels": {"emotion": 2}},
    "parts": [
        {
            "part": "encoder",
            "component": "cpc",
            "takes": "speech (B, S)",
            "parameters": 1234567,
            "gives": "features (B, A, 128), summary (B, 640)",
            "trained_in": [],
            "checkpoint": "cpc.pt",
            "graphs": ["training", "inference"],
        },
        {
            "part": "generator",
            "component": HOSTILE,
            "takes": "features",
            "parameters": 99,
            "gives": "frames",
            "trained_in": ["compose"],
            "checkpoint": "",
            "graphs": ["training", "inference"],
        },
        {
            "part": "discriminator.frame",
            "component": "patch",
            "takes": "frames",
            "parameters": 5,
            "gives": "scores",
            "trained_in": ["compose"],
            "checkpoint": "",
            "graphs": ["training"],
        },
    ],
    "flows": [
        {"from": "speech", "to": "encoder", "what": "speech", "graphs": ["training", "inference"]},
        {"from": "encoder", "to": "generator", "what": "features", "graphs": ["training", "inference"]},
        {"from": "real frames", "to": "discriminator.frame", "what": "real frames", "graphs": ["training"]},
        {
            "from": "generator",
            "to": "discriminator.frame",
            "what": "generated frames",
            "graphs": ["training"],
        },
    ],
    "stages": [
        {
            "name": "compose",
            "component": "adversarial",
            "after": [],
            "steps": 200,
            "idle": "",
            "trains": ["generator", "discriminator.frame"],
        },
        {
            "name": "evaluate",
            "component": "evaluate",
            "after": ["compose"],
            "steps": None,
            "idle": "",
            "trains": [],
        },
    ],
    "weights": [
        {
            "part": "encoder",
            "component": "cpc",
            "file": "cpc.pt",
            "package": "",
            "licence": "MIT of its authors",
            "source": HOSTILE,
        }
    ],
}
RECIPE = """format: 1
name: "the <run>"
seed: 7
data: {use: toy, size: 32}
stages:
  compose: {use: adversarial, steps: 200}
  evaluate: {use: evaluate, split: test, metrics: {psnr: {use: psnr}}}
"""


def write_log(path: Path, steps: int = 200, extra: tuple[str, ...] = ()) -> Path:
    """Write a log of several figures, as a stage does."""
    rng = np.random.default_rng(0)
    lines = []
    for step in range(1, steps + 1):
        record = {"step": step, "seconds": step * 0.1}
        record["generator.similarity"] = 3.0 / step + 0.1 * rng.random()
        record["generator.adversarial"] = float(rng.random())
        record["score.frame.real"] = 1000 / step**2
        record["score.frame.fake"] = float(rng.random())
        if step % 50 == 0:
            record["accuracy"] = step / steps
        lines.append(json.dumps(record))
    path.write_text("\n".join([*lines, *extra]), encoding="utf-8")
    return path


def make_run(run: Path, *, loss: float = 21.5, clips: tuple[str, ...] = ("a b#1", "c")) -> Path:
    """Write a run folder of two stages and some clips."""
    for folder in ("stages/compose", "stages/evaluate", "samples", "videos"):
        (run / folder).mkdir(parents=True)
    (run / "recipe.yaml").write_text(f"{RECIPE}# <b>& {loss}\n")
    metrics = {**METRICS, "psnr": {**METRICS["psnr"], "value": loss}}
    files = {
        "run.json": {
            "format": 2,
            "versions": {"s2vkit": "0.1.0", "torch": "2.14"},
            "python": "3.11.7",
            "machine": HOSTILE,
            "seed": 7,
            "computed_on": "cpu (fp32)",
            "recipe": "tiny.yaml",
            "notes": [],
            "command": COMMAND,
            "commands": [{"command": COMMAND, "begun": "2026-11-22 10:00:00 UTC"}],
        },
        "metrics.json": metrics,
        "graph.json": GRAPH,
        "stages/compose/done.json": {
            "seconds": 3700,
            "command": COMMAND,
            "memory": {"resident": 870e6, "cuda": 2.5e9},
        },
        "stages/evaluate/done.json": {"seconds": 1234.5, "command": COMMAND},
        "videos/clips.json": {
            name: {"labels": {"identity": "s1", "emotion": HOSTILE}, "split": "test"} for name in clips
        },
    }
    for name, data in files.items():
        (run / name).write_text(json.dumps(data))
    warning = {"time": "10:00", "stage": "compose", "source": "s2vkit", "text": HOSTILE}
    (run / "warnings.jsonl").write_text(json.dumps(warning) + '\n{"cut sho')
    rows = [
        "clip,split,label.emotion,psnr",
        *(f"{n},test,joy,{20 + i}.5" for i, n in enumerate([*clips, "unseen"])),
    ]
    (run / "clips.csv").write_text("\n".join(rows) + "\n")
    write_log(run / "stages/compose/log.jsonl")
    faces = np.random.default_rng(0).integers(0, 255, (2, 12, 16, 16, 3), np.uint8)
    contact_sheet(faces, ["true", "made"], run / "samples/held_out.png")
    for name in clips:
        write_comparison(run / f"videos/{name}.mp4", faces[0], faces[1], 25)
    return run
