from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import torch
from helpers_media import sine
from helpers_report import write_log
from PIL import Image
from rich.console import Console

from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media import probe, read_frames
from s2vkit.report.curves import draw_curves, read_log, smooth
from s2vkit.report.pictures import contact_sheet, write_comparison
from s2vkit.report.table import metrics_markdown, metrics_table

METRICS = {
    "emotion": {
        "value": 0.84375,
        "on_real": 0.97,
        "chance": 0.125,
        "n": 64,
        "definition": "share of clips | evaluated <right>",
    },
    "lip_correlation": {
        "value": 0.5,
        "on_real": None,
        "chance": None,
        "n": 8,
        "definition": "Pearson's r",
        "details": {"per_clip": [1, 2]},
    },
}


def picture(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_frames_become_pixels():
    frames = torch.tensor([-2.0, -1.0, 0.0, 1.0]).view(4, 1, 1, 1).expand(4, 3, 2, 5)
    pixels = to_uint8(frames[None])
    assert pixels.shape == (1, 4, 2, 5, 3)
    assert pixels.dtype == np.uint8
    assert pixels[0, :, 0, 0, 0].tolist() == [0, 0, 128, 255]


def test_contact_sheet_holds_every_picture_in_its_place(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 255, (2, 3, 16, 12, 3), np.uint8)
    sheet = picture(contact_sheet(rows, ["true", "made"], tmp_path / "a" / "s.png", scale=2))
    assert sheet.shape[0] == 2 * (32 + 2) + 2
    for y in range(2):
        for x in range(3):
            left = sheet.shape[1] - (3 - x) * 26
            found = sheet[y * 34 + 2 : y * 34 + 34 : 2, left : left + 24 : 2]
            np.testing.assert_array_equal(found, rows[y, x])
    labels = sheet[:, : sheet.shape[1] - 3 * 26]
    assert (labels.min(axis=(1, 2))[:34].min(), labels.min(axis=(1, 2))[34:].min()) < (100, 100)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["s.png"]


def test_contact_sheet_refuses_what_does_not_match(tmp_path):
    rows = [[np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]]
    with pytest.raises(ValueError, match="2 labels"):
        contact_sheet(rows, ["a", "b"], tmp_path / "s.png")
    with pytest.raises(ValueError, match="1 rows, 1 labels"):
        contact_sheet(rows, ["a"], tmp_path / "s.png")
    assert list(tmp_path.iterdir()) == []


def test_comparison_shows_true_left_and_made_right_with_sound(tmp_path):
    true = np.full((25, 48, 48, 3), (220, 30, 30), np.uint8)
    made = np.full((25, 48, 48, 3), (30, 30, 220), np.uint8)
    path = write_comparison(tmp_path / "c.mp4", made, true, 25, sine(440, 1, 16000), 16000)
    frames, fps = read_frames(path)
    assert fps == 25
    assert len(frames) == 25
    body = frames[:, -192:]
    middle = body.shape[2] // 2
    assert np.abs(body[:, :, 8 : middle - 8].mean((0, 1, 2)) - (220, 30, 30)).max() < 12
    assert np.abs(body[:, :, middle + 8 : -8].mean((0, 1, 2)) - (30, 30, 220)).max() < 12
    caption = frames[12, : frames.shape[1] - 192]
    assert caption[:, :middle].min() < 100 < caption.max()
    assert caption[:, middle:].min() < 100
    assert [s["codec"] for s in probe(path)["streams"]] == ["h264", "aac"]
    with pytest.raises(ValueError, match="differ in shape"):
        write_comparison(tmp_path / "d.mp4", made[:3], true, 25)


def test_curves_are_drawn(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    log = write_log(tmp_path / "log.jsonl", extra=['{"step": 201, "accu'])
    assert draw_curves(log, tmp_path / "curves" / "c.png", "compose")
    image = picture(tmp_path / "curves" / "c.png")
    assert image.shape[1] > 800
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_a_log_of_nothing_draws_nothing(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n\nnot json\n[1]\n")
    for log in ("log.jsonl", "none.jsonl"):
        assert not draw_curves(tmp_path / log, tmp_path / "c.png", "x")
    assert not (tmp_path / "c.png").exists()


def test_one_step_and_values_that_are_no_numbers_are_drawn(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": NaN, "other": 1.0, "word": "x"}\n{"step": 2, "loss": 1}\n')
    assert draw_curves(log, tmp_path / "c.png", "x")
    assert set(read_log(log)) == {"loss", "other"}


def test_of_a_step_done_again_the_last_counts(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(f'{{"step": {s}, "loss": {v}}}\n' for s, v in [(1, 5), (2, 9), (2, 4)]))
    steps, values = read_log(log)["loss"]
    assert steps.tolist() == [1, 2]
    assert values.tolist() == [5, 4]


def test_smoothing_keeps_a_level_and_skips_what_is_not_finite():
    values = np.full(50, 2.0)
    values[10] = np.nan
    np.testing.assert_allclose(smooth(values, 7), 2.0)
    assert np.isnan(smooth(np.full(5, np.nan), 3)).all()


def test_metrics_as_a_table_and_as_markdown():
    out = io.StringIO()
    Console(file=out, width=160).print(metrics_table({**METRICS, "[red]odd": {"value": 1}}))
    for word in ("emotion", "0.8438", "0.97", "0.125", "64", "–", "Pearson's r", "[red]odd"):
        assert word in out.getvalue()
    lines = metrics_markdown(METRICS).splitlines()
    assert len(lines) == 4
    assert lines[2] == r"| emotion | 0.8438 | 0.97 | 0.125 | 64 | share of clips \| evaluated <right> |"
