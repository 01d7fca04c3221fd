"""SyncNet: its layers and key names, its MFCC, its distances, its training and its metrics."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import s2vkit_syncnet
import torch
from helpers_cli import call
from helpers_toy import REGISTRY, load_toy, metrics, run_toy
from s2vkit_syncnet import SyncEvaluatorStageOptions, SyncNetOptions, SyncOptions
from s2vkit_syncnet.distance import distances, read
from s2vkit_syncnet.evaluator import SyncNet
from s2vkit_syncnet.metrics import AvConfidence, AvOffset, LseC, LseD
from s2vkit_syncnet.mfcc import filters, mfcc, steps_of
from s2vkit_syncnet.retime import fit_rate
from s2vkit_syncnet.training import TrainSyncEvaluator, vary_frames, vary_speech

from s2vkit import Batch, DataSpec, Graph, InputError, Outcome, RecipeError, SyncEvaluator
from s2vkit.build import Builder
from s2vkit.device import choose
from s2vkit.runs.plan import Plan

KEYS = json.loads(Path(s2vkit_syncnet.__file__).with_name("keys.json").read_text())
SMALL = SyncNetOptions(width=0.05, input_size=56)


# The MFCC, against python_speech_features written out again, window by window


def reference_mfcc(signal):
    emphasised = np.append(signal[0], signal[1:] - 0.97 * signal[:-1])
    count = 1 if len(signal) <= 400 else 1 + math.ceil((len(signal) - 400) / 160)
    emphasised = np.append(emphasised, np.zeros((count - 1) * 160 + 400 - len(signal)))
    top = 2595 * np.log10(1 + 8000 / 700.0)
    hertz = 700 * (10 ** (np.linspace(0, top, 28) / 2595.0) - 1)
    corners = np.floor(513 * hertz / 16000)
    rows = []
    for t in range(count):
        spectrum = np.abs(np.fft.rfft(emphasised[160 * t : 160 * t + 400], 512)) ** 2 / 512
        energies = []
        for j in range(26):
            total = 0.0
            for i in range(int(corners[j]), int(corners[j + 1])):
                total += spectrum[i] * (i - corners[j]) / (corners[j + 1] - corners[j])
            for i in range(int(corners[j + 1]), int(corners[j + 2])):
                total += spectrum[i] * (corners[j + 2] - i) / (corners[j + 2] - corners[j + 1])
            energies.append(np.log(total if total else np.finfo(float).eps))
        row = []
        for k in range(13):
            at = np.cos(np.pi * k * (2 * np.arange(26) + 1) / 52)
            scale = np.sqrt(1 / 26) if k == 0 else np.sqrt(2 / 26)
            row.append(scale * np.dot(at, energies) * (1 + 11 * np.sin(np.pi * k / 22)))
        energy = spectrum.sum()
        row[0] = np.log(energy if energy else np.finfo(float).eps)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 560, 561, 5000])
def test_mfcc_is_that_of_python_speech_features(samples):
    signal = np.random.default_rng(samples).normal(0, 3000, samples).round()
    found = mfcc(torch.from_numpy(signal)[None])[0].numpy()
    expected = reference_mfcc(signal)
    assert found.shape == expected.shape == (steps_of(samples), 13)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_mfcc_of_silence_is_finite_and_that_of_the_reference():
    found = mfcc(torch.zeros(2, 1000))
    np.testing.assert_allclose(found[1].numpy(), reference_mfcc(np.zeros(1000)), atol=1e-6)


def test_the_mel_filters_are_triangles():
    assert filters().shape == (26, 257)
    assert filters().max() == 1
    assert bool((filters() >= 0).all())


# The network


def test_key_names_and_shapes_are_those_of_the_published_file():
    with torch.device("meta"):
        own = SyncNet(SyncNetOptions(), size=64)
    assert {k: list(v.shape) for k, v in own.state_dict().items()} == KEYS
    assert sum(p.numel() for p in own.parameters()) == 13_631_616


def test_the_published_layout_loads(tmp_path):
    random = torch.Generator().manual_seed(0)
    weights = {k: torch.rand(s, generator=random) * 0.02 for k, s in KEYS.items()}
    weights = {k: v if v.dim() else torch.tensor(7) for k, v in weights.items()}
    path = tmp_path / "syncnet_v2.model"
    torch.save(weights, path)
    evaluator = SyncNet(SyncNetOptions(checkpoint=str(path)), size=64).eval()
    assert evaluator.pretrained
    assert torch.equal(evaluator.netcnnlip[18].weight, weights["netcnnlip.18.weight"])
    del weights["netfcaud.3.bias"]
    torch.save(weights, path)
    with pytest.raises(InputError, match=r"missing: netfcaud\.3\.bias"):
        SyncNet(SyncNetOptions(checkpoint=str(path)), size=64)
    with pytest.raises(InputError, match="width 1"):
        SyncNet(SyncNetOptions(checkpoint=str(path), width=0.5), size=64)


def test_the_published_file_is_listed_and_checked(tmp_path, capsys):
    weights = {k: torch.rand(s) if s else torch.tensor(7) for k, s in KEYS.items()}
    path = tmp_path / "syncnet_v2.model"
    torch.save(weights, path)
    told = call(capsys, "weights", "check", "syncnet", path)
    assert told.code == 0, told.err
    assert "fits sync_evaluator 'syncnet' as syncnet_v2.model" in told.out
    assert "54.6 MB" in call(capsys, "weights").out  # 13,631,616 numbers, means and deviations
    weights["netfclip.4.bias"] = weights.pop("netfclip.3.bias")
    torch.save(weights, path)
    told = call(capsys, "weights", "check", "syncnet", path)
    assert told.code == 4
    assert "missing: netfclip.3.bias  (the file has 'netfclip.4.bias')" in told.out


def test_the_layers_have_the_published_sizes():
    own = SyncNet(SyncNetOptions(width=0.05), size=224).eval()
    lips, sound = torch.zeros(1, 3, 5, 224, 224), torch.zeros(1, 1, 13, 20)
    sides = {2: 109, 3: 54, 6: 26, 7: 13, 16: 13, 17: 6, 20: 1}
    maps = {2: (13, 20), 3: (13, 20), 7: (11, 9), 16: (11, 9), 17: (5, 4), 20: (1, 1)}
    with torch.no_grad():
        for i, side in sides.items():
            assert own.netcnnlip[: i + 1](lips).shape[2:] == (1, side, side)
        for i, shape in maps.items():
            assert own.netcnnaud[: i + 1](sound).shape[2:] == shape


def small(**more):
    torch.manual_seed(0)
    return SyncNet(SMALL.model_copy(update=more), size=64).eval()


def test_windows_are_cut_as_published():
    """Window n is frames n to n + 4 in BGR of 0 to 255, and MFCC steps 4n to 4n + 19."""
    evaluator = small()
    frames = torch.rand(1, 12, 3, 56, 56) * 2 - 1
    speech = torch.randn(1, 12 * 640) * 0.1
    with torch.no_grad():
        lips, sounds = evaluator(frames, speech)
        assert lips.shape == sounds.shape == (1, 7, evaluator.dim)
        bgr = (frames[0, 3:8].flip(1) + 1) * 127.5
        one = evaluator.netfclip(evaluator.netcnnlip(bgr.transpose(0, 1)[None]).flatten(1))
        steps = mfcc((speech * 32768).round()).float()[0, 12:32]
        two = evaluator.netfcaud(evaluator.netcnnaud(steps.T[None, None]).flatten(1))
    torch.testing.assert_close(lips[0, 3], one[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(sounds[0, 3], two[0], rtol=1e-4, atol=1e-5)


def test_long_clips_are_seen_in_chunks_with_the_same_result():
    evaluator, frames = small(), torch.rand(1, 80, 3, 56, 56) * 2 - 1
    whole = evaluator.see(frames)  # with gradient: at once
    with torch.no_grad():
        torch.testing.assert_close(evaluator.see(frames), whole, rtol=1e-4, atol=1e-5)


def test_the_mouth_is_the_square_at_the_bottoms_middle():
    frames = torch.zeros(1, 5, 3, 64, 64)
    frames[..., 32:, 16:48] = 1
    assert bool((small(region="mouth")._prepare(frames) == 255).all())


def test_motion_is_what_is_left_of_the_clips_mean():
    frames = torch.rand(2, 6, 3, 56, 56) * 2 - 1
    still = frames[:, :1].expand_as(frames)
    evaluator = small(motion=True)
    assert evaluator._prepare(still).abs().max() < 1e-4
    torch.testing.assert_close(evaluator.see(frames), evaluator.see(frames + 0.1), rtol=1e-3, atol=1e-4)


def test_the_counts_are_those_of_syncnet_python():
    evaluator = small()
    for frames, samples, count in [(12, 12 * 640, 7), (12, 8 * 640, 3), (6, 12 * 640, 1), (5, 9999, 0)]:
        lips, sounds = evaluator(torch.zeros(1, frames, 3, 56, 56), torch.randn(1, samples) * 0.1)
        assert lips.shape[1] == sounds.shape[1] == count


# The distances


def reference_distances(lips, sounds, search):
    """calc_pdist and the mean over windows of syncnet_python, window by window."""
    zeros = torch.zeros(search, sounds.shape[1])
    padded = torch.cat([zeros, sounds, zeros])
    rows = [
        torch.nn.functional.pairwise_distance(
            lips[[i]].repeat(2 * search + 1, 1), padded[i : i + 2 * search + 1]
        )
        for i in range(len(lips))
    ]
    return torch.stack(rows, 1).mean(1)


def test_distances_are_those_of_syncnet_python():
    random = torch.Generator().manual_seed(1)
    lips, sounds = torch.randn(2, 40, 8, generator=random)
    expected = reference_distances(lips, sounds, 15)
    torch.testing.assert_close(distances(lips, sounds, 15, "zeros"), expected)
    reading = read(expected)
    assert reading.distance == pytest.approx(expected.min().item())
    assert reading.confidence == pytest.approx((expected.median() - expected.min()).item())
    assert reading.offset == 15 - expected.argmin().item()
    assert reading.in_sync == pytest.approx((expected.median() - expected[15]).item())


@pytest.mark.parametrize("ends", ["zeros", "overlap"])
@pytest.mark.parametrize("lead", [-10, -3, 0, 1, 10])
def test_a_positive_offset_means_that_the_speech_leads(lead, ends):
    """The speech of time t comes with the lips of time t + lead."""
    track = torch.randn(80, 8, generator=torch.Generator().manual_seed(2)) * 3
    lips, sounds = track[20:60], track[20 + lead : 60 + lead]
    assert read(distances(lips, sounds, 15, ends)).offset == lead


def test_overlap_leaves_out_what_lies_beyond_the_ends():
    random = torch.Generator().manual_seed(3)
    lips, sounds = torch.randn(2, 6, 4, generator=random)
    found = distances(lips, sounds, 8, "overlap")
    assert found[8 + 2] == pytest.approx((lips[:4] - sounds[2:] + 1e-6).norm(dim=1).mean().item())
    assert found[8 - 5] == pytest.approx((lips[5:] - sounds[:1] + 1e-6).norm(dim=1).mean().item())
    assert bool(found[[0, 1, 2, 14, 15, 16]].isinf().all())
    assert math.isfinite(read(found).confidence)


def test_frames_are_brought_to_25_a_second():
    frames = torch.arange(60.0).view(60, 1, 1, 1)
    assert torch.equal(fit_rate(frames, 25.0, 25.0), frames)
    at = fit_rate(frames, 30.0, 25.0).flatten()
    assert len(at) == 50
    wanted = (np.arange(50) + 0.5) / 25
    assert np.abs((at.numpy() + 0.5) / 30 - wanted).max() <= 0.5 / 30 + 1e-6


# Training and metrics, on clips where loudness drives how bright the mouth is


def talking(seed, frames=60):
    random = torch.Generator().manual_seed(seed)
    loud = torch.rand(frames, generator=random)
    loud = (loud + loud.roll(1)) / 2
    pictures = (loud * 1.6 - 0.8).view(-1, 1, 1, 1).expand(frames, 3, 16, 16)
    carrier = torch.randn(frames, 640, generator=random) * 0.2
    return pictures.clone(), (carrier * loud.unsqueeze(1) ** 2).flatten().clamp(-1, 1)


def graph_of(evaluator):
    encoder = SimpleNamespace(sample_rate=16000)
    return Graph(DataSpec(16, 25.0, 16000, {}), encoder, make=None, sync_evaluator=evaluator)


def batch_of(stage, seeds, starts):
    clips = [talking(seed) for seed in seeds]
    times = torch.tensor(starts)[:, None] + torch.arange(stage.frames)
    frames = torch.stack([clip[0][at] for clip, at in zip(clips, times, strict=True)])
    speech = torch.stack([clip[1] for clip in clips])
    lengths = torch.full((len(clips),), speech.shape[1])
    return Batch([], data={"frames": frames, "speech": speech, "lengths": lengths, "times": times})


STAGE = {"optimizer": {"use": "adam", "lr": 1e-3}, "windows": 16, "batch": 6}


def stage_options(**more):
    given = {"shift": 0.0, "noise": 0.0, "colour": 0.1, "flip": True, "gain": 1.0, "after": []}
    return SyncEvaluatorStageOptions.model_construct(**{**STAGE, **given, **more})


@pytest.fixture(scope="module")
def trained():
    evaluator = small().train()
    stage = TrainSyncEvaluator(stage_options(), graph=graph_of(evaluator))
    scale = stage.extras()["scale"]
    optimizer = torch.optim.Adam([*evaluator.parameters(), *scale.parameters()], lr=1e-2)
    torch.manual_seed(0)
    for step in range(120):
        starts = torch.randint(60 - stage.frames, (6,)).tolist()
        clips = batch_of(stage, range(10 * step, 10 * step + 6), starts)
        shared = stage.shared_forward(clips)
        optimizer.zero_grad()
        stage.loss(clips, shared)["match"].backward()
        optimizer.step()
    return evaluator.eval()


def outcome(evaluator, seed, lead=0, name="clip"):
    """A clip of 60 frames whose speech leads the lips by `lead` frames."""
    frames, speech = talking(seed, 90)
    at = 15 + lead
    cut = speech[at * 640 : (at + 60) * 640]
    return Outcome(name, frames[15:75], frames[15:75], speech=cut, sync_evaluator=evaluator)


class ExactEvaluator(torch.nn.Module):
    """Reads off the brightness of pictures and the loudness of speech what `talking` put into both."""

    fps, sample_rate, dim, pretrained = 25.0, 16000, 5, True

    def forward(self, frames, speech):
        lips = (frames.mean((2, 3, 4)) + 0.8) / 1.6
        loud = (speech.unflatten(1, (-1, 640)).std(2) / 0.2).sqrt()
        return lips.unfold(1, 5, 1), loud.unfold(1, 5, 1)


@pytest.mark.parametrize("lead", [-10, -1, 0, 4, 10])
def test_the_offset_is_that_of_the_speech_to_the_frame(lead):
    metric = AvOffset(SyncOptions())
    for seed in range(1000, 1006):
        metric.update(outcome(ExactEvaluator(), seed, lead))
    score = metric.compute()
    assert score.value == score.on_real == lead
    assert [clip["generated"]["offset"] for clip in score.details["clips"]] == [lead] * 6
    assert (score.details["share_exact_generated"] == 1.0) == (lead == 0)


@pytest.mark.parametrize("lead", [-1, 0, 4])
def test_an_evaluator_trained_here_finds_speech_nearest_where_it_belongs(trained, lead):
    """On the mean over clips, and by a margin: a short training need not make each clip exact."""
    at_shift = []
    for seed in range(1000, 1012):
        clip = outcome(trained, seed, lead)
        lips, sounds = (each[0] for each in trained(clip.generated.unsqueeze(0), clip.speech.unsqueeze(0)))
        at_shift.append(distances(lips.detach(), sounds.detach(), 15, "overlap"))
    mean = torch.stack(at_shift).mean(0)
    near, far = mean[15 - lead], torch.cat([mean[: 12 - lead], mean[19 - lead :]]).mean()
    assert near < 0.9 * far, (near, far)


def test_confidence_is_high_in_sync_and_low_beside_another_clips_speech(trained):
    metrics = [AvConfidence(SyncOptions()), LseC(SyncOptions()), LseD(SyncOptions())]
    for seed in range(1000, 1006):
        clip = outcome(trained, seed)
        for metric in metrics:
            metric.update(clip)
        assert set(clip.shared) == {"sync.generated", "sync.real"}
    confidence, lse_c, lse_d = (metric.compute() for metric in metrics)
    assert confidence.value > 1.3 * confidence.chance
    assert lse_c.value == confidence.value
    assert lse_d.value < lse_d.chance
    assert confidence.details["in_sync"] == pytest.approx(confidence.value, rel=0.3)
    assert "trained in this run on real clips" in confidence.definition
    json.dumps(confidence.details)


def test_a_evaluator_from_a_file_says_so(trained):
    evaluator = small()
    evaluator.pretrained = True
    metric = AvConfidence(SyncOptions())
    metric.update(outcome(evaluator, 1))
    assert "has its weights from a file" in metric.compute().definition


def test_clips_too_short_are_counted_and_a_missing_evaluator_is_named():
    metric = AvConfidence(SyncOptions())
    clip = outcome(small(), 1)
    clip.generated = clip.generated[:7]
    metric.update(clip)
    score = metric.compute()
    assert (score.n, score.details["left_out_too_short"]) == (0, 1)
    assert math.isnan(score.value)
    with pytest.raises(InputError, match="no sync evaluator"):
        metric.update(Outcome("x", clip.generated, clip.real, speech=clip.speech))


def test_the_stage_cuts_the_speech_of_the_drawn_frames():
    evaluator = small()
    stage = TrainSyncEvaluator(stage_options(), graph=graph_of(evaluator))
    clips = batch_of(stage, [1, 2], [0, 37])
    cut = stage._speech(clips, evaluator)
    assert torch.equal(cut[1], clips["speech"][1, 37 * 640 : (37 + stage.frames) * 640])
    assert stage.idle() == ""
    evaluator.pretrained = True
    assert "from a file" in stage.idle()
    assert "no sync evaluator" in TrainSyncEvaluator(stage_options(), graph=graph_of(None)).idle()


def test_varying_keeps_the_frames_of_a_clip_alike():
    torch.manual_seed(0)
    still = (torch.rand(3, 1, 3, 16, 16) * 2 - 1).expand(-1, 6, -1, -1, -1)
    varied = vary_frames(still, stage_options(shift=0.2, colour=0.5))
    assert bool((varied == varied[:, :1]).all())
    assert not torch.equal(varied, still)
    speech = torch.rand(2, 100) * 0.1
    ratio = vary_speech(speech, stage_options(gain=6.0)) / speech
    assert ratio.std(1).max() < 1e-5
    assert 10 ** (-6 / 20) <= ratio.min() <= ratio.max() <= 10 ** (6 / 20)


# In a recipe

IN_A_RUN = """
sync_evaluator: {use: syncnet, width: 0.05, input_size: 56}
stages:
  sync_evaluator: {use: sync_evaluator, steps: 2, batch: 2, windows: 4, optimizer: {use: adam, lr: 1.0e-3}}
  evaluate:
    after: [sync_evaluator, compose]
    metrics: {identity_accuracy: null, emotion_accuracy: null, mouth_aperture_correlation: null,
              mouth_movement: null,
              av_confidence: av_confidence, av_offset: {use: av_offset, search: 5}}
"""


def test_a_recipe_without_a_sync_evaluator_is_told(tmp_path):
    with pytest.raises(RecipeError) as caught:
        load_toy(tmp_path, more=(IN_A_RUN, "sync_evaluator: null\n"))
    assert "metric 'av_confidence' asks the sync evaluator, which is not there" in str(caught.value)
    assert "known sync evaluators: syncnet" in str(caught.value)


def test_a_run_trains_its_evaluator_and_measures_with_it(tmp_path):
    run_toy(tmp_path, more=(IN_A_RUN,), stages=["sync_evaluator", "evaluate"])
    found = metrics(tmp_path)
    assert "trained in this run" in found["av_confidence"]["definition"]
    assert "up to 5 frames" in found["av_offset"]["definition"]
    assert found["av_confidence"]["n"] > 0


@pytest.mark.parametrize(
    ("change", "reruns"),
    [
        ("stages.sync_evaluator.windows=5", {"sync_evaluator", "evaluate"}),
        ("sync_evaluator.width=0.1", {"sync_evaluator", "evaluate"}),
        ("evaluators.identity.input_size=48", {"train_evaluators", "evaluate"}),
    ],
)
def test_a_change_of_the_evaluator_touches_only_what_asks_it(tmp_path, change, reruns):
    def results_in(*sets):
        recipe = load_toy(tmp_path, *sets, more=(IN_A_RUN,)).recipe
        builder = Builder(recipe, REGISTRY)
        graph = builder.graph()
        stages = builder.stages(graph, torch.device("cpu"))
        plan = Plan(recipe, REGISTRY, graph, stages, tmp_path / "run", choose(recipe.compute))
        return {step.name: step.result for step in plan.steps}

    before, after = results_in(), results_in(change)
    assert {name for name in before if before[name] != after[name]} == reruns


def test_the_evaluator_is_a_syncevaluator():
    assert isinstance(small(), SyncEvaluator)
    assert REGISTRY.names("sync_evaluator") == ["syncnet"]
