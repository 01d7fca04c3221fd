"""How fast a model is on this machine: from a recording to a file, and while somebody speaks."""

from __future__ import annotations

import os
import platform
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2vkit.inference.generate import How, generate_one
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.outputs import Pair
from s2vkit.inference.recording import SampledRecording
from s2vkit.inference.steering import Steering

_PIECE = 0.02  # s; as a sound card gives them


def measure_speed(model: TalkingFaceModel, seconds: float) -> dict[str, Any]:
    """Measure on made-up speech of some seconds; the first second of each is left to warm up.

    Gives JSON data: the machine, times real time of a whole generation (`file`, marks left out),
    frames a second of encoder and generator alone (`frames`), and delays while speech comes
    (`live`, None if the encoder does not stream).
    """
    speech = made_up_speech(seconds, model.sample_rate)
    return {
        "machine": _machine(model),
        "size": model.size,
        "fps": model.fps,
        "seconds": seconds,
        "file": _time_file(model, speech),
        "frames": _time_frames(model, speech),
        "live": _time_live(model, speech),
    }


def made_up_speech(seconds: float, rate: int) -> np.ndarray:
    """Make a hum that comes and goes, with noise: float32 (S,)."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    hum = 0.2 * np.sin(900 * t) * (1 + np.sin(7 * t)) + 0.05 * noise
    return np.asarray(hum.clip(-1, 1), np.float32)


def _machine(model: TalkingFaceModel) -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "computed_on": str(model.pipeline.policy),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": load,
        "torch": torch.__version__,
    }


def _time_file(model: TalkingFaceModel, speech: np.ndarray) -> dict[str, float]:
    """Time a recording's way to an MP4 file, decoding and encoding included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, model.sample_rate, 0, "NONE", ""))
            file.writeframes((speech * 32767).astype("<i2").tobytes())
        generate_one(model, Pair(path, Path(folder) / "warm.mp4", "mp4"), {}, How())
        made = generate_one(model, Pair(path, Path(folder) / "out.mp4", "mp4"), {}, How())
    return {"times_real_time": made.seconds / made.took, "first_frame_ms": 1000 * made.delay}


def _time_frames(model: TalkingFaceModel, speech: np.ndarray) -> dict[str, float]:
    begun = time.perf_counter()
    recording = SampledRecording(speech, model.sample_rate)
    count = sum(len(frames) for frames in model.film(recording, {}))
    return {"a_second": count / (time.perf_counter() - begun)}


def _time_live(model: TalkingFaceModel, speech: np.ndarray) -> dict[str, float] | None:
    """Time what computing adds to the delay of each frame, as fast as speech can be pushed."""
    if model.pipeline.graph.encoder.stream() is None or model.needs_image:
        return None
    times: list[float] = []
    with model.stream_of(model.sample_rate, _known(model)) as live:
        piece = int(_PIECE * model.sample_rate)
        for start in range(0, len(speech), piece):
            begun = time.perf_counter()
            if len(live.push(speech[start : start + piece])):
                times.append(1000 * (time.perf_counter() - begun))
    p50, p95, p99 = np.percentile(times[int(model.fps) :] or times, (50, 95, 99))
    return {"p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99), "first_ms": times[0]}


def _known(model: TalkingFaceModel) -> dict[str, Steering]:
    """Ask for one label of each side, as far as the model knows any."""
    return model.steer(
        model.sample_rate, identity=next(iter(model.voices), None), emotion=next(iter(model.emotions), None)
    )
