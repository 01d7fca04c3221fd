"""CPBD, CSIM, ACD and blinks, against definitions written out again and cases by hand."""

import math

import numpy as np
import pytest
import torch
from s2vkit_metrics import AcdOptions, BlinksOptions, CpbdOptions, EmbeddingOptions
from s2vkit_metrics.embedding import Acd, Csim
from s2vkit_metrics.eyes import Blinks, blinks
from s2vkit_metrics.sharpness import Cpbd, cpbd, edge_widths, vertical_edges
from scipy import ndimage

from s2vkit import InputError, Outcome, Teacher


def picture(seed=0, side=64, blur=0.0):
    """A picture with edges of several strengths, blurred or not."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.uniform(0, 255, (side // 8, side // 8)), np.ones((8, 8)))
    soft = ndimage.gaussian_filter(coarse, blur) if blur else coarse
    return (soft + random.normal(0, 0.6, soft.shape)).round().clip(0, 255)


# CPBD


def reference_widths(image, edges):
    """Marziliano's widths, pixel by pixel."""
    down, across = np.gradient(image)
    widths = np.zeros(image.shape)
    for row in range(1, image.shape[0] - 1):
        for col in range(1, image.shape[1] - 1):
            if not edges[row, col] or (down[row, col] == 0 and across[row, col] == 0):
                continue
            angle = 45 * round(math.degrees(math.atan2(down[row, col], across[row, col])) / 45)
            if angle not in (0, 180, -180):
                continue
            way = 1 if angle == 0 else -1
            total = 0
            for side in (-1, 1):
                margin = 0
                while margin < 100:
                    inner, outer = col + side * (1 + margin), col + side * (2 + margin)
                    if not 0 <= outer < image.shape[1]:
                        break
                    if way * side * (image[row, outer] - image[row, inner]) <= 0:
                        break
                    margin += 1
                total += margin + 1
            widths[row, col] = total
    return widths


def reference_cpbd(image):
    edges = vertical_edges(image)
    widths = reference_widths(image, edges)
    histogram = np.zeros(101)
    for top in range(0, image.shape[0] - 63, 64):
        for left in range(0, image.shape[1] - 63, 64):
            block = np.s_[top : top + 64, left : left + 64]
            if np.count_nonzero(edges[block]) <= 0.002 * 64 * 64:
                continue
            noticed = 5 if int(np.ptp(image[block])) <= 50 else 3
            for width in widths[block][widths[block] > 0]:
                histogram[round(100 * (1 - math.exp(-((width / noticed) ** 3.6))))] += 1
    return histogram[:64].sum() / histogram.sum() if histogram.sum() else 0.0


@pytest.mark.parametrize("blur", [0.0, 0.8, 1.6, 4.0])
def test_cpbd_agrees_with_its_definition_pixel_by_pixel(blur):
    image = picture(1, 128, blur)
    found = edge_widths(image, vertical_edges(image))
    np.testing.assert_array_equal(found, reference_widths(image, vertical_edges(image)))
    assert cpbd(image, CpbdOptions()) == pytest.approx(reference_cpbd(image), abs=1e-12)


def test_low_contrast_has_a_wider_noticeable_blur():
    image = picture(2, 64, 0.7) / 255 * 40 + 100
    assert np.ptp(image) <= 50
    assert cpbd(image, CpbdOptions()) == pytest.approx(reference_cpbd(image), abs=1e-12)
    assert cpbd(image, CpbdOptions()) > cpbd(image, CpbdOptions(contrast=0))


def test_the_edges_are_where_the_light_jumps_most():
    image = np.zeros((16, 16))
    image[:, 8:] = 200
    edges = vertical_edges(image)
    assert not edges[:, :6].any()
    assert not edges[:, 10:].any()


def test_cpbd_falls_with_blur_and_is_0_without_edges():
    sharp, soft, softer = (cpbd(picture(3, 64, b), CpbdOptions()) for b in (0.0, 0.7, 3.0))
    assert sharp > 0.8
    assert sharp > soft > softer == 0
    assert cpbd(np.full((64, 64), 7.0), CpbdOptions()) == 0
    assert cpbd(picture(0, 56), CpbdOptions()) == 0  # no whole block


def test_cpbd_of_clips_is_a_mean_and_stands_beside_that_of_the_truth():
    def clip(blur):
        images = np.stack([picture(s, 64, blur) for s in range(3)]) / 127.5 - 1
        return torch.tensor(images, dtype=torch.float32).unsqueeze(1).expand(-1, 3, -1, -1)

    metric = Cpbd(CpbdOptions())
    metric.update(Outcome("a", clip(2.0), clip(0.0)))
    score = metric.compute()
    expected = np.mean([reference_cpbd(picture(s, 64, 2.0)) for s in range(3)])
    assert score.value == pytest.approx(expected, abs=1e-3)
    assert score.on_real > score.value
    assert "blocks of 64 px" in score.definition


# Embeddings


class Evaluator(Teacher):
    """Embeds a face as the means of its three channels; regresses the first."""

    gives, map_shapes, classes, pretrained, dim = "embedding", [], (), False, 3

    def forward(self, images):
        return images.mean((2, 3))

    def classify(self, images):
        return images.mean((2, 3))[:, :1]

    def maps(self, images):
        return []


def painted(*colours):
    return torch.tensor(colours).view(-1, 3, 1, 1).expand(-1, -1, 4, 4).clone()


RED, GREEN, YELLOW = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.0)


def embedded(metric, *clips):
    evaluator = Evaluator()
    assert isinstance(evaluator, Teacher)
    for made, true in clips:
        metric.update(Outcome("a", painted(*made), painted(*true), evaluators={"identity": evaluator}))
    return metric.compute()


def test_csim_by_hand():
    clips = [([RED, YELLOW], [RED, GREEN]), ([GREEN], [YELLOW])]
    score = embedded(Csim(EmbeddingOptions()), *clips)
    half = math.sqrt(0.5)
    assert score.value == pytest.approx(((1 + half) / 2 + half) / 2)
    assert score.on_real == pytest.approx(((1 + 0) / 2 + 1) / 2)
    # the second's GREEN beside RED; the first's RED and YELLOW beside YELLOW
    assert score.chance == pytest.approx((0 + (half + 1) / 2) / 2)
    same = embedded(Csim(EmbeddingOptions(reference="same")), *clips)
    assert same.value == pytest.approx(((1 + half) / 2 + half) / 2)
    assert same.on_real == pytest.approx(1)
    assert "first true frame" in score.definition
    assert "trained in this run" in score.definition


def test_acd_by_hand():
    clips = [([RED, YELLOW], [RED, RED]), ([GREEN], [RED])]
    score = embedded(Acd(AcdOptions()), *clips)
    assert score.value == pytest.approx((0.5 + math.sqrt(2)) / 2)
    assert score.on_real == 0
    assert "L2 distance" in score.definition
    cosine = embedded(Acd(AcdOptions(distance="cosine")), *clips)
    assert cosine.value == pytest.approx(((1 - math.sqrt(0.5)) / 2 + 1) / 2)


def test_asking_twice_changes_nothing_and_a_missing_evaluator_is_named():
    metric = Csim(EmbeddingOptions())
    embedded(metric, ([RED], [RED]), ([GREEN], [RED]))
    assert metric.compute() == metric.compute()
    with pytest.raises(InputError, match="no evaluator of identity"):
        metric.update(Outcome("a", painted(RED), painted(RED)))


# Blinks


def test_blinks_are_counted_once_each_with_their_frames():
    track = np.array([0, 0.6, 0.9, 0.4, 0.6, 0.1, 0, 0.4, 0, 0.7, 0.2, 0.8])
    assert blinks(track, BlinksOptions()) == [4, 1, 1]
    assert blinks(track, BlinksOptions(close_above=0.85)) == [3]
    assert blinks(np.zeros(5), BlinksOptions()) == []


def test_blinks_a_second_over_all_clips():
    metric = Blinks(BlinksOptions())
    shut = [0.0] * 10 + [0.9] * 5 + [0.0] * 10
    for made, true in ((shut, shut), ([0.0] * 25, shut)):
        metric.update(
            Outcome(
                "a",
                painted(*[(v, 0, 0) for v in made]),
                painted(*[(v, 0, 0) for v in true]),
                evaluators={"eyelid_closure": Evaluator()},
                fps=25.0,
            )
        )
    score = metric.compute()
    assert score.value == pytest.approx(0.5)
    assert score.on_real == pytest.approx(1.0)
    assert score.details["duration_generated"] == pytest.approx(0.2)
    assert score.details["seconds"] == 2
    assert math.isnan(Blinks(BlinksOptions()).compute().value)
