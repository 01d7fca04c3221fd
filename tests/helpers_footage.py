"""Small talking "faces" on the disk: trees like CREMA-D's and VoxCeleb2's, and ways to cut them.

python helpers_footage.py ROOT OUT RANK [PART]     prepares, and prints what it cut
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np

from s2vkit.data.preparation import listing as listing_module
from s2vkit.data.preparation.cut_one import Cutter
from s2vkit.data.preparation.footage import prepare_footage
from s2vkit.data.preparation.listing import Listing
from s2vkit.data.preparation.ranks import find_rank
from s2vkit.interfaces.dataset import Source
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_slot

CODECS = {".flv": ("flv", "mp3", 44100), ".mpg": ("mpeg1video", "mp2", 44100)}


def write_video(
    path: Path,
    seconds: float = 1.2,
    *,
    fps: int = 25,
    size: int = 64,
    sound: bool = True,
    seed: int = 0,
    hertz: float = 220.0,
) -> Path:
    """Write a video of a moving gradient that hums, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec, voice, rate = CODECS.get(path.suffix, ("libx264", "aac", 16000))
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=fps)
        video.width = video.height = size
        video.pix_fmt = "yuv420p"
        audio = out.add_stream(voice, rate=rate, layout="mono") if sound else None
        for frame in pictures(round(seconds * fps), size, seed):
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
        if audio is not None:
            _hum(out, audio, seconds, rate, hertz)
    return path


def write_sound(path: Path, seconds: float = 1.2, hertz: float = 220.0, level: float = 0.3) -> Path:
    """Write a sound file of a hum: wav, or m4a."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        codec = "pcm_s16le" if path.suffix == ".wav" else "aac"
        audio = out.add_stream(codec, rate=16000, layout="mono")
        _hum(out, audio, seconds, 16000, hertz, level)
    return path


def pictures(count: int, size: int, seed: int) -> np.ndarray:
    """Draw a gradient that drifts: uint8 (V, H, W, 3), its colour told by the seed."""
    colour = np.random.default_rng(seed).uniform(60, 200, 3)
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(4 * x + 3 * y + 0.25 * t)[..., None] * 40 + colour for t in range(count)]
    return np.clip(np.stack(waves), 0, 255).astype(np.uint8)


def _hum(out, audio, seconds, rate, hertz, level=0.3) -> None:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    size = audio.codec_context.frame_size or 1024
    swr = av.AudioResampler(format=audio.codec_context.format.name, layout="mono", rate=rate, frame_size=size)
    for block in [*swr.resample(frame), *swr.resample(None)]:
        out.mux(audio.encode(block))
    out.mux(audio.encode(None))


def folder_of_videos(root: Path, speakers: int = 2, each: int = 3, seconds: float = 1.2) -> Path:
    """Write SPEAKER/NUMBER.mp4, all different."""
    for s in range(speakers):
        for n in range(each):
            path = root / f"ann{s}" / f"{n}.mp4"
            write_video(path, seconds, seed=10 * s + n, hertz=150 + 40 * s + 5 * n)
    return root


def options_of(dataset: str, root: Path, out: Path, **more):
    """Make a dataset's options, with the detector that takes whole pictures."""
    said = {"root": root and str(root), "corpus": str(out), "size": 32, "face_detector": "none", **more}
    sets = [f"{key}={json.dumps(value)}" for key, value in said.items()]
    return load_slot("dataset", dataset, sets, registry()).options


def dataset_of(dataset: str, root: Path, out: Path, seed: int = 7, **more):
    """Build one of our footage datasets."""
    options = options_of(dataset, root, out, **more)
    return registry().get("dataset", dataset).load()(options, seed=seed)


def listing_of(dataset, name: str = "folder", sources: list[Source] | None = None) -> Listing:
    """List a dataset's sources, to be cut without a detector."""
    slot = dataset.options.face_detector
    make = partial(registry().get("face_detector", slot.use).load(), slot.options)
    given = dataset.sources() if sources is None else sources
    return Listing(name, dataset.options, dataset.seed, given, make, slot.dump())


def cut_all(listing: Listing, out: Path, **how) -> bool:
    """Prepare in this process."""
    return prepare_footage(listing, out, workers=how.pop("workers", 0), progress=_quiet, **how)


def _quiet(done: int, total: int) -> None:
    pass


def main(root: str, out: str, rank: str, part: str = "4") -> None:
    """Prepare a folder and print every source that was cut here."""
    listing_module.PART = int(part)
    cut = Cutter.cut

    def telling(self, source, place):
        told = cut(self, source, place)
        print(source.name, flush=True)
        return told

    Cutter.cut = telling
    dataset = dataset_of("folder", Path(root), Path(out), folders=["identity"])
    cut_all(listing_of(dataset), Path(out), rank=find_rank(rank))


if __name__ == "__main__":
    main(*sys.argv[1:])
