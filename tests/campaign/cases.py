"""What is damaged, and what is then done with it: a function of (seed, number, folder) a kind."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from campaign.damage import ODD, damage_bytes, damage_data, damage_folder, damage_text

ROOT = Path(__file__).parent.parent.parent
ENDINGS = ("mp4", "mkv", "flv", "avi", "mpg", "ts", "webm", "wav", "flac", "mp3", "ogg", "aac", "m4a", "tta")


def draw_of(seed: int, kind: str, number: int) -> random.Random:
    """Return the generator of one case, the same whatever ran before it."""
    return random.Random(f"{seed}/{kind}/{number}")


class Recipes:
    """Recipes, changed as texts and as data, and `--set` arguments."""

    name, whole = "recipes", 10_000

    def __init__(self, seed: int, shared: Path) -> None:
        import yaml

        from s2vkit.plugins import registry
        from s2vkit.recipe.load import load_recipe

        self.seed, self.registry = seed, registry()
        self.texts = [path.read_text() for path in sorted((ROOT / "recipes").rglob("*.yaml"))]
        names = ("tiny", "speech2video", "sdfa", "folder")
        self.data = [load_recipe(ROOT / "recipes" / f"{name}.yaml").data for name in names]
        self.dump = yaml.safe_dump

    def __call__(self, number: int, folder: Path) -> str:
        """Load one damaged recipe."""
        from s2vkit.recipe.load import load_recipe

        draw = draw_of(self.seed, self.name, number)
        folder.mkdir(exist_ok=True)
        path = folder / "r.yaml"
        kind, sets = draw.randrange(4), list[str]()
        if kind == 0:
            text = draw.choice(self.texts).replace("extends: ", f"extends: {ROOT}/recipes/")
            path.write_text(damage_text(text, draw), errors="surrogatepass", newline="")
        elif kind == 1:
            path.write_bytes(damage_bytes(draw.choice(self.texts).encode(), draw))
        elif kind == 2:
            path.write_text(self.dump(damage_data(draw.choice(self.data), draw), allow_unicode=True))
        else:
            path.write_text(self.dump(draw.choice(self.data)))
            keys = [
                "stages.compose.steps",
                "data",
                "output",
                "teachers.identity",
                "compute.device",
                "x.y",
                "",
            ]
            sets = [f"{draw.choice(keys)}={draw.choice(ODD)}" for _ in range(draw.choice([1, 2]))]
        load_recipe(path, sets, self.registry)
        return "accepted"


def write_media(path: Path) -> Path:
    """Write 0.8 s of a drawn face and a hum, in the format of the suffix."""
    kind = path.suffix[1:]
    sound_codec = {
        "mp4": "aac",
        "mkv": "flac",
        "flv": "libmp3lame",
        "avi": "libmp3lame",
        "mpg": "mp2",
        "ts": "aac",
    }
    sound_codec |= {
        "webm": "libopus",
        "wav": "pcm_s16le",
        "flac": "flac",
        "mp3": "libmp3lame",
        "ogg": "libopus",
    }
    sound_codec |= {"aac": "aac", "m4a": "aac", "tta": "tta"}
    film_codec = {"mp4": "libx264", "mkv": "libx264", "flv": "flv", "avi": "mpeg4", "mpg": "mpeg1video"}
    film_codec |= {"ts": "libx264", "webm": "libvpx"}
    rate = 48000 if kind in ("webm", "ogg") else 44100
    with av.open(str(path), "w") as out:
        film = out.add_stream(film_codec[kind], rate=25) if kind in film_codec else None
        voice = out.add_stream(
            sound_codec[kind], rate=rate, layout="stereo" if kind in ("wav", "mp4") else "mono"
        )
        if film is not None:
            film.width = film.height = 64
            film.pix_fmt = "yuv420p"
            for i in range(20):
                picture = np.full((64, 64, 3), 60, np.uint8)
                picture[12 : 52 + i % 3, 20:44] = (200, 120, 90)
                out.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(film.encode(None))
        wave = np.sin(np.arange(int(0.8 * rate)) * 0.03) * np.linspace(0.1, 0.6, int(0.8 * rate))
        count = len(voice.codec_context.layout.channels)
        frame = av.AudioFrame.from_ndarray(
            np.tile(wave.astype(np.float32), (count, 1)),
            format="fltp",
            layout=voice.codec_context.layout.name,
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        if not voice.codec_context.is_open:
            voice.codec_context.open()
        size = voice.codec_context.frame_size or 1024
        swr = av.AudioResampler(
            format=voice.codec_context.format.name,
            layout=voice.codec_context.layout,
            rate=rate,
            frame_size=size,
        )
        for block in [*swr.resample(frame), *swr.resample(None)]:
            out.mux(voice.encode(block))
        out.mux(voice.encode(None))
    return path


class Media:
    """Media files in every format we write tests of: read as speech, and cut into clips."""

    name, whole = "media", 1_000

    def __init__(self, seed: int, shared: Path) -> None:
        from helpers_film import FindsDrawn

        from s2vkit.data.preparation.cut import Cutting

        self.seed, self.finder = seed, FindsDrawn()
        self.cutting = Cutting(size=16, min_face=12, detect_at=64, shortest=0.4)
        self.files = {ending: write_media(shared / f"a.{ending}").read_bytes() for ending in ENDINGS}

    def __call__(self, number: int, folder: Path) -> str:
        """Read and cut one damaged file."""
        from s2vkit.data.preparation.cut import cut_source
        from s2vkit.errors import InputError
        from s2vkit.interfaces.dataset import Source
        from s2vkit.media import read_speech

        draw = draw_of(self.seed, self.name, number)
        folder.mkdir(exist_ok=True)
        ending = draw.choice(ENDINGS)
        path = folder / f"a.{ending}"
        path.write_bytes(damage_bytes(self.files[ending], draw))
        heard = "unheard"
        try:
            sound = read_speech(path)
            assert np.isfinite(sound.samples).all(), "samples are not finite"
            assert np.abs(sound.samples).max() <= 1, "samples are too large"
            assert abs(len(sound.samples) / 16000 - sound.seconds) < 0.01, "lengths differ"
            heard = "heard"
        except InputError as error:
            if str(path) not in str(error):
                raise AssertionError(f"the message names no file: {error}") from error
        try:
            found = cut_source(Source("a", path, {}, "train"), self.cutting, self.finder)
        except InputError:
            return heard
        for clip in found.clips:
            assert len(clip.speech) == round(len(clip.frames) * 640), "speech and frames differ in length"
        return f"{heard}, cut"


class Tables:
    """Tables of a folder of videos."""

    name, whole = "tables", 200
    rows = [
        ["File", "Speaker ID", "emotion"],
        *([f"p{i % 3}/{i}.mp4", f"p{i % 3}", "anger"] for i in range(9)),
    ]

    def __init__(self, seed: int, shared: Path) -> None:
        self.seed, self.root = seed, shared / "videos"
        for file, *_ in self.rows[1:]:
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            (self.root / file).touch()

    def __call__(self, number: int, folder: Path) -> str:
        """Label a folder by one damaged table."""
        from helpers_footage import dataset_of

        draw = draw_of(self.seed, self.name, number)
        folder.mkdir(exist_ok=True)
        rows = damage_data(self.rows, draw) if draw.random() < 0.6 else self.rows
        out = io.StringIO()
        writer = csv.writer(out, delimiter=draw.choice(",;\t|"))
        for row in rows if isinstance(rows, list) else [[rows]]:
            writer.writerow(row if isinstance(row, list) else [row])
        text = damage_text(out.getvalue(), draw) if draw.random() < 0.5 else out.getvalue()
        encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
        data = text.encode(encoding, errors="replace")
        path = folder / "t.csv"
        path.write_bytes(damage_bytes(data, draw) if draw.random() < 0.3 else data)
        dataset = dataset_of("folder", self.root, folder / "o", table=str(path))
        sources = dataset.sources()
        assert len(sources) == 9, "sources are lost"
        assert any(source.labels for source in sources) or dataset.survey().notes, (
            "nothing labelled, nothing said"
        )
        return "accepted"


def toy_run(shared: Path) -> Path:
    """Run the toy recipe once; gives the folder with `run` and `cache`."""
    if not (shared / "toy" / "run" / "metrics.json").exists():
        from helpers_toy import run_toy

        import s2vkit.rendering.held_out

        s2vkit.rendering.held_out.draw_curves = lambda *_: True
        run_toy(shared / "toy")
    return shared / "toy"


class Weights:
    """Published weights and bundles."""

    name, whole = "weights", 500

    def __init__(self, seed: int, shared: Path) -> None:
        from helpers_toy import REGISTRY

        self.seed, self.registry = seed, REGISTRY
        self.model = toy_run(shared) / "run" / "model"

    def __call__(self, number: int, folder: Path) -> str:
        """Load one damaged bundle; some are read as published weights too."""
        from s2vkit.inference.model import load_model
        from s2vkit.tensors import read_tensors

        draw = draw_of(self.seed, self.name, number)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.model, folder)
        weights, config = folder / "model.safetensors", folder / "config.json"
        kind = draw.randrange(4)
        if kind == 0:
            weights.write_bytes(damage_bytes(weights.read_bytes(), draw))
        elif kind == 1:
            config.write_text(json.dumps(damage_data(json.loads(config.read_text()), draw)))
        elif kind == 2:
            data = weights.read_bytes()
            size = int.from_bytes(data[:8], "little")
            header: Any = json.dumps(damage_data(json.loads(data[8 : 8 + size]), draw)).encode()
            weights.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
        else:
            damage_folder(folder, draw)
        if draw.random() < 0.3:
            read_tensors(weights)
        model = load_model(folder, device="cpu", registry=self.registry)
        frames = sum(
            len(chunk) for chunk in model.chunks(np.sin(np.arange(8000) / 9).astype(np.float32), 16000)
        )
        return "accepted" if frames else "nothing drawn"


class Folders:
    """Run and cache folders, given to the commands that read them."""

    name, whole = "folders", 300

    def __init__(self, seed: int, shared: Path) -> None:
        self.seed, self.toy = seed, toy_run(shared)

    def __call__(self, number: int, folder: Path) -> str:
        """Damage a copy of a run with its cache, and let a command read it."""
        from s2vkit.cli.guard import guard
        from s2vkit.cli.main import cli

        draw = draw_of(self.seed, self.name, number)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.toy, folder, symlinks=True)
        damage_folder(folder / draw.choice(["run", "run", "cache"]), draw)
        run, cache = str(folder / "run"), str(folder / "cache")
        commands = [
            ["report", run],
            ["evaluate", run],
            ["evaluate", run, "--format", "json"],
            ["cache", "--cache", cache],
            ["cache", "--cache", cache, "prune", "--max-size", "1MB"],
            ["show", f"{run}/recipe.yaml"],
        ]
        args = draw.choice(commands)
        code = guard(cli, ["--debug", *args])
        assert code != 1, f"unexpected error of {args}: a bug"
        return f"{args[0]} {code}"


KINDS: list[Any] = [Recipes, Media, Weights, Folders, Tables]
