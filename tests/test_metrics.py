"""The metrics, against scikit-image and against cases worked out by hand."""

import json
import math
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch
from s2vkit_metrics import AccuracyOptions, RegionOptions, SsimOptions
from s2vkit_metrics.detail import Movement, Sharpness
from s2vkit_metrics.evaluated import EmotionAccuracy, IdentityAccuracy
from s2vkit_metrics.likeness import Psnr, Ssim, psnr, ssim, unit
from s2vkit_metrics.mouth import MouthApertureCorrelation, pearson
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from s2vkit import InputError, Metric, Options, Outcome, Teacher
from s2vkit.videos.state import NotStorableError, restore, state_of


def faces(n=4, height=40, width=32, seed=0):
    """Smooth pictures in [-1, 1] and noisy copies of them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 6, 6, generator=generator) * 2 - 1
    real = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noise = torch.randn(real.shape, generator=generator) * 0.1
    return (real + noise).clamp(-1, 1), real


def outcome(generated, real=None, **more):
    return Outcome(name="clip", generated=generated, real=generated if real is None else real, **more)


def reference_ssim(generated, real):
    return structural_similarity(
        unit(generated).permute(1, 2, 0).numpy(),
        unit(real).permute(1, 2, 0).numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
    )


@pytest.mark.parametrize("size", [(40, 32), (11, 11), (64, 64)])
def test_ssim_agrees_with_scikit_image(size):
    generated, real = faces(3, *size)
    expected = [reference_ssim(m, t) for m, t in zip(generated, real, strict=True)]
    assert ssim(unit(generated), unit(real)).tolist() == pytest.approx(expected, abs=1e-5)
    assert max(expected) < 0.99


def test_ssim_agrees_on_flat_and_on_dark_frames():
    generated, real = faces(2)
    for m, t in [(generated * 0 - 1, real * 0 - 0.9), (generated * 0.05 - 0.9, real * 0.05 - 0.9)]:
        expected = [reference_ssim(a, b) for a, b in zip(m, t, strict=True)]
        assert ssim(unit(m), unit(t)).tolist() == pytest.approx(expected, abs=1e-5)


def test_ssim_with_other_windows_agrees_with_scikit_image():
    """The defaults of scikit-image: 7x7, all pixels alike, sample covariance."""
    generated, real = faces(2)
    pairs = [(unit(m).numpy(), unit(t).numpy()) for m, t in zip(generated, real, strict=True)]
    expected = [structural_similarity(m, t, data_range=1.0, channel_axis=0) for m, t in pairs]
    options = SsimOptions(window="uniform", size=7, covariance="sample")
    assert ssim(unit(generated), unit(real), options).tolist() == pytest.approx(expected, abs=1e-5)
    expected = [structural_similarity(m, t, data_range=2.0, channel_axis=0) for m, t in pairs]
    options = options.model_copy(update={"data_range": 2.0})
    assert ssim(unit(generated), unit(real), options).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_ssim_with_ends_reflected_agrees_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.functional.image")
    generated, real = (unit(x) for x in faces(3))
    for sigma in (1.5, 1.0):
        size = int(3.5 * sigma + 0.5) * 2 + 1
        options = SsimOptions(borders="reflect", sigma=sigma, size=size)
        expected = image.structural_similarity_index_measure(
            generated, real, sigma=sigma, data_range=1.0, reduction="none"
        )
        assert ssim(generated, real, options).tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_ssim_names_its_variant_and_refuses_even_windows():
    said = Ssim(SsimOptions(window="uniform", size=7, covariance="sample")).compute().definition
    assert "uniform window 7x7, K1 0.01" in said
    assert "sample covariance, whole windows only" in said
    with pytest.raises(ValueError, match="must be odd"):
        SsimOptions(size=8)


def test_psnr_agrees_with_torchmetrics():
    image = pytest.importorskip("torchmetrics.functional.image")
    generated, real = (unit(x) for x in faces(3))
    for m, t, own in zip(generated, real, psnr(generated, real), strict=True):
        expected = image.peak_signal_noise_ratio(m, t, data_range=1.0)
        assert own.item() == pytest.approx(float(expected), abs=1e-4)


def test_ssim_on_luma_agrees_with_scikit_image():
    generated, real = faces(1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = [(unit(x)[0] * weights).sum(0).numpy() for x in (generated, real)]
    expected = structural_similarity(
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    metric = Ssim(SsimOptions(channel="grey"))
    metric.update(outcome(generated, real))
    assert metric.compute().value == pytest.approx(expected, abs=1e-5)
    assert "luma" in metric.compute().definition


def test_ssim_of_equal_frames_is_one_and_of_tiny_ones_refused():
    generated, _ = faces(1)
    assert ssim(unit(generated), unit(generated)).item() == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match="at least 11 px"):
        ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))


def test_psnr_agrees_with_scikit_image():
    generated, real = faces(3)
    expected = [
        peak_signal_noise_ratio(unit(t).numpy(), unit(m).numpy(), data_range=1.0)
        for m, t in zip(generated, real, strict=True)
    ]
    assert psnr(unit(generated), unit(real)).tolist() == pytest.approx(expected, abs=1e-5)


def test_psnr_by_hand_and_of_equal_frames():
    black = torch.full((1, 3, 16, 16), -1.0)
    assert psnr(unit(black), unit(-black)).item() == pytest.approx(0)
    assert psnr(unit(black), unit(black + 0.2)).item() == pytest.approx(20, abs=1e-4)
    assert psnr(unit(black), unit(black)).item() == 100


@pytest.mark.parametrize("metric", [Ssim(SsimOptions()), Psnr(Options())])
def test_likeness_is_a_mean_over_frames_then_clips_and_chance_is_another_clips(metric):
    clips = [faces(n, seed=seed) for seed, n in enumerate((2, 5, 70))]
    for generated, real in clips:
        metric.update(outcome(generated, real))
    score = metric.compute()

    def measure(generated, real):
        n = min(len(generated), len(real))
        return metric.measure(unit(generated[:n]), unit(real[:n])).mean().item()

    own = [measure(generated, real) for generated, real in clips]
    other = [measure(clips[i][0], clips[i - 1][1]) for i in range(3)]
    assert score.value == pytest.approx(sum(own) / 3, abs=1e-5)
    assert score.chance == pytest.approx(sum(other) / 3, abs=1e-5)
    assert score.chance < score.value < score.on_real
    assert score.n == 3
    assert metric.compute() == score  # asking twice changes nothing
    assert isinstance(metric, Metric)


def test_a_single_clip_has_no_chance_figure():
    metric = Psnr(Options())
    metric.update(outcome(*faces(2)))
    assert metric.compute().chance is None


def test_an_empty_evaluation_is_not_a_number_but_no_crash():
    for metric in (Psnr(Options()), IdentityAccuracy(AccuracyOptions()), MouthApertureCorrelation(Options())):
        score = metric.compute()
        assert math.isnan(score.value)
        assert score.n == 0


class Evaluator(Teacher):
    """Reads its verdict from the brightness of the red channel, -1 to 1."""

    gives, map_shapes, pretrained = "logits", [], True

    def __init__(self, classes=()):
        super().__init__()
        self.classes = classes
        self.dim = max(1, len(classes))
        self.seen = []

    def forward(self, images):
        return self.classify(images)

    def classify(self, images):
        self.seen.append(len(images))
        assert not torch.is_grad_enabled()
        red = images[:, 0].mean((1, 2)).unsqueeze(1)
        if not self.classes:
            return red
        places = torch.linspace(-1, 1, len(self.classes))
        return -20 * (red - places) ** 2

    def maps(self, images):
        return []


def red(*levels):
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone()


def evaluated(metric, side, clips, classes=("ann", "bob", "cid")):
    evaluator = Evaluator(classes)
    assert isinstance(evaluator, Teacher)
    for label, generated, real in clips:
        metric.update(
            outcome(red(*generated), red(*real), labels={side: label}, evaluators={side: evaluator})
        )
    return metric.compute(), evaluator


@pytest.mark.parametrize(("metric", "side"), [(IdentityAccuracy, "identity"), (EmotionAccuracy, "emotion")])
def test_accuracy_by_hand(metric, side):
    clips = [
        ("ann", [-1.0, -1.0, -0.2], [-1.0] * 3),  # right, though the last frame is bob's
        ("ann", [0.0, 0.0], [-1.0, -1.0]),  # taken for bob
        ("bob", [0.1, -0.1], [1.0, 1.0]),  # right; the real frames are taken for cid
        ("cid", [-1.0], [1.0]),  # taken for ann
        ("eve", [0.0], [0.0]),  # unknown to the evaluator
    ]
    score, _ = evaluated(metric(AccuracyOptions()), side, clips)
    assert score.value == pytest.approx(2 / 4)
    assert score.on_real == pytest.approx(3 / 4)
    assert score.chance == pytest.approx(2 / 4)
    assert score.n == 4
    assert score.details["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert score.details["confusion_on_real"] == [[2, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert score.details["left_out_unknown_label"] == 1
    assert side in score.definition


def test_log_probabilities_are_averaged_over_frames_not_votes():
    # two frames lean a little to bob, one is surely ann's: the mean says ann
    score, _ = evaluated(
        IdentityAccuracy(AccuracyOptions()), "identity", [("ann", [-0.45, -0.45, -1.0], [-1.0])]
    )
    assert score.value == 1


def test_evaluators_see_long_clips_in_chunks_and_without_gradient():
    clips = [("ann", [-1.0] * 150, [-1.0] * 2)]
    _, evaluator = evaluated(IdentityAccuracy(AccuracyOptions()), "identity", clips)
    assert evaluator.seen == [64, 64, 22, 2]


def test_a_missing_evaluator_is_named():
    with pytest.raises(InputError, match="no evaluator of emotion"):
        EmotionAccuracy(AccuracyOptions()).update(outcome(red(0.0), labels={"emotion": "sad"}))


def opened(clips):
    metric, evaluator = MouthApertureCorrelation(Options()), Evaluator()
    for generated, real, truth in clips:
        metric.update(
            outcome(
                red(*generated),
                red(*real),
                truth={"mouth_aperture": np.array(truth, dtype=np.float32)},
                evaluators={"mouth_aperture": evaluator},
            )
        )
    return metric.compute()


def test_openness_by_hand():
    rising, falling = [0.0, 0.1, 0.2, 0.3], [0.3, 0.2, 0.1, 0.0]
    bump = [0.0, 0.2, 0.2, 0.0]
    score = opened(
        [
            (rising, rising, [1, 2, 3, 4]),  # r = 1
            (falling, rising, [1, 2, 3, 4]),  # r = -1 made, 1 real
            (bump, rising, [1, 2, 3, 4]),  # r = 0
            (rising, rising, [2, 2, 2, 2]),  # left out: the truth is constant
        ]
    )
    assert score.value == pytest.approx(0, abs=1e-5)
    assert score.on_real == pytest.approx(1, abs=1e-5)
    assert score.n == 3
    assert score.details["left_out_constant_truth"] == 1


def test_openness_by_chance_is_measured_against_other_clips():
    generated = [0.0, 0.3, 0.1, 0.2, 0.9]
    truths = [[1, 2, 3, 4, 5], [5, 3, 1, 4, 1, 9], [2, 7, 1]]
    score = opened([(generated, generated, truth) for truth in truths])

    def r(truth):
        n = min(len(generated), len(truth))
        return np.corrcoef(generated[:n], truth[:n])[0, 1]

    # the clip of three frames is made of three frames only
    third = [np.corrcoef(generated[:3], t[:3])[0, 1] for t in truths[:2]]
    others = [r(truths[1]), r(truths[2]), r(truths[0]), r(truths[2]), *third]
    assert score.chance == pytest.approx(np.mean(others), abs=1e-5)


def test_a_still_mouth_counts_as_no_correlation():
    score = opened([([0.5] * 4, [0.0, 0.1, 0.2, 0.3], [1, 2, 3, 4])])
    assert score.value == 0
    assert score.details["still_mouths"] == 1
    assert score.chance is None


def test_pearson_agrees_with_numpy():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])


def test_a_dataset_without_openness_is_told():
    metric = MouthApertureCorrelation(Options())
    metric.update(outcome(red(0.0)))
    with pytest.raises(InputError, match="no true 'mouth_aperture'"):
        metric.compute()


def test_ssim_is_quick():
    frames = torch.rand(64, 3, 64, 64)
    ssim(frames, frames)
    begin = time.perf_counter()
    ssim(frames, frames.flip(0))
    assert time.perf_counter() - begin < 2  # takes about 30 ms


def test_every_metric_goes_on_from_its_stored_state_and_means_tell_the_figure_of_each_clip():
    from s2vkit.plugins import registry
    from s2vkit.testing.data import outcomes
    from s2vkit.testing.stand_ins import stand_in_graph

    def make(slot, *positional, **sizes):
        entry = registry().get(slot.kind, slot.use)
        return entry.load()(slot.options, *positional, **sizes)

    graph, found = stand_in_graph(make), {}
    for entry in registry().of_kind("metric"):
        fields = entry.options.model_fields
        needs_a_file = "checkpoint" in fields or any(field.is_required() for field in fields.values())
        if needs_a_file or {"summary", "codes"} & set(entry.wants):
            continue
        metric, resumed = (entry.load()(entry.options()) for _ in range(2))
        *former, last = outcomes(graph.evaluators, graph.sync_evaluator, graph.landmarks)
        for outcome in former:
            metric.update(outcome)
        stored = json.loads(json.dumps(state_of(metric)))
        restore(resumed, stored, {outcome.name: outcome for outcome in former}.__getitem__)
        metric.update(last)
        resumed.update(last)
        found[entry.name] = metric.compute()
        np.testing.assert_equal(asdict(resumed.compute()), asdict(found[entry.name]))
    of_clips = {name for name, score in found.items() if score.clips}
    assert set(found) - of_clips == {
        "av_offset_drift",
        "blinks",
        "closeness",
        "identity_drift",
    }  # of all clips
    assert {name for name, score in found.items() if score.over == "median"} == {"av_offset"}
    for name in of_clips:
        assert sorted(found[name].clips) == ["clip0", "clip1", "clip2"], name


def test_a_state_that_is_no_plain_data_is_not_stored():
    metric = Metric()
    metric.kept = object()
    with pytest.raises(NotStorableError, match=r"what Metric gathers cannot be stored \(object\)"):
        state_of(metric)
    metric.kept = torch.zeros(2**20 + 1)
    with pytest.raises(NotStorableError, match="1048577 numbers"):
        state_of(metric)


def test_sharpness_and_movement_are_shares_of_the_truth():
    true = noise_clip()
    still = true.mean(0, keepdim=True).expand_as(true)
    soft = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    values = {}
    for name, made in (("true", true), ("still", still), ("soft", soft)):
        for metric in (Sharpness(RegionOptions(region="mouth")), Movement(RegionOptions(region="mouth"))):
            metric.update(Outcome(name="clip", generated=made, real=true))
            values[name, type(metric).__name__] = metric.compute().value
    assert values["true", "Sharpness"] == pytest.approx(1.0)
    assert values["true", "Movement"] == pytest.approx(1.0)
    assert values["still", "Movement"] == pytest.approx(0.0, abs=1e-5)
    assert values["soft", "Sharpness"] < 0.5


def test_only_the_region_counts():
    true, made = noise_clip(), noise_clip()
    made[:, :, :16] = 0.0  # the upper half
    for region, value in (("mouth", 1.0), ("face", 0.5)):
        metric = Sharpness(RegionOptions(region=region))
        metric.update(Outcome(name="clip", generated=made, real=true))
        assert metric.compute().value == pytest.approx(value, abs=0.1)


def test_clips_without_movement_in_the_truth_are_left_out():
    metric = Movement(RegionOptions())
    metric.update(Outcome(name="clip", generated=noise_clip(), real=torch.zeros(4, 3, 32, 32)))
    score = metric.compute()
    assert (score.n, score.details["left_out"]) == (0, 1)


def noise_clip():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
