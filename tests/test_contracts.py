"""Every registered component keeps the contract of its kind, and broken ones are caught."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from helpers_no_float64 import DEVICE, Float64Error, MixedDevicesError, no_float64
from torch import nn

from s2vkit import AudioEncoder, Landmarks, LossOptions, Options, PairLoss, Teacher
from s2vkit.interfaces.landmarks import GROUPS
from s2vkit.plugins import registry
from s2vkit.registry import Entry, Registry
from s2vkit.testing import ContractError, MissingPackageError, check_component

ADAM = {"use": "adam", "lr": 1e-3}
TINY = {
    ("audio_encoder", "cpc"): [
        {"channels": 16},
        {"channels": 16, "context": "gru", "layers": 2, "summary": "layers"},
    ],
    ("audio_encoder", "logmel"): [{"n_mels": 16}, {"n_mels": 8, "context": 2}],
    ("audio_encoder", "ge2e"): [{"hidden": 16, "layers": 2, "embedding": 12}, {"hidden": 16, "level": -24.0}],
    ("audio_encoder", "moonshine"): [
        {"width": 32, "layer": 1},
        {"width": 32, "layer": 2, "past": 3, "block": 2, "ahead": 1, "level": -24.0},
    ],
    ("audio_encoder", "joined"): [
        {"features": {"use": "cpc", "channels": 16}, "summary": {"use": "logmel", "n_mels": 8}},
        {
            "features": {"use": "cpc", "channels": 16},
            "summary": {"use": "ge2e", "hidden": 16, "level": -24.0},
            "summarize": "summary",
        },
        {"features": {"use": "moonshine", "width": 32}, "summary": {"use": "cpc", "channels": 16}},
    ],
    ("audio_encoder", "hubert"): [{"size": "tiny", "summary": "statistics"}],
    ("audio_encoder", "wav2vec2"): [{"size": "tiny"}],
    ("audio_encoder", "wavlm"): [{"size": "tiny"}],
    ("teacher", "arcface"): [{"width": 0.125, "layers": [1, 1, 1, 1], "dim": 16}],
    ("teacher", "facenet"): [{"input_size": 80}],
    ("teacher", "hsemotion"): [{}, {"tap": "pooled"}],
    ("teacher", "mini_xception"): [{}, {"input_size": 33}],
    ("teacher", "vggface"): [{"width": 0.125}, {"width": 0.125, "tap": "fc7_pre"}],
    ("teacher", "senet50"): [
        {"width": 0.125, "layers": [1, 1, 1, 1]},
        {"width": 0.125, "layers": [1, 1, 1, 1], "tap": "pool5", "input_size": 96},
    ],
    ("teacher", "timm"): [{}],
    ("student", "mlp"): [
        {"hidden": [16]},
        {"hidden": [16], "norm": "none", "input_norm": "batch", "rank": 3},
    ],
    ("student", "recollection"): [{"hidden": [16], "slots": 4}],
    ("student", "linear"): [{}, {"rank": 2}],
    ("generator", "frame_decoder"): [
        {"width": 32, "identity_width": 16},
        {"width": 32, "start_input": "none"},
        {"width": 32, "canvas": 8, "hearing": [12, 6]},
    ],
    ("generator", "skip_decoder"): [
        {"width": 32, "identity_width": 16},
        {"width": 32, "context_radius": 2, "canvas": 8, "hearing": [6]},
    ],
    ("generator", "modulated_decoder"): [
        {"width": 16, "min_width": 8, "capacity": 128, "context_radius": 1, "pose_size": 3},
        {
            "width": 16,
            "min_width": 8,
            "capacity": 128,
            "pose_size": 3,
            "head_motion": "replayed",
            "mouth": "landmarks",
        },
    ],
    ("generator", "sdfa"): [
        {"channels": 4, "content": 16, "identity": 8},
        {"channels": 4, "content": 16, "identity": 8, "shape": "portrait", "warmup_frames": 0},
    ],
    ("generator", "sdfa_from_voice"): [
        {"channels": 4, "content": 16, "identity": 8, "face": face} for face in ("drawn", "code")
    ],
    ("audio_encoder", "speech2face"): [{"width": 0.05, "seconds": 2.8, "fft": 128}],
    ("student", "speech2face"): [{}],
    ("stage", "speech2face"): [
        {"optimizer": ADAM, "match": "normalized_l2", "extra": {"soft": "soft_targets"}}
    ],
    ("discriminator", "identity_maps"): [{"channels": 8}],
    ("discriminator", "patch"): [{"channels": 8}, {"channels": 8, "detail": 10, "region": "mouth"}],
    ("discriminator", "speech_sync"): [{"channels": 8, "joint": 16}, {"region": "lower"}],
    ("loss", "lsgan"): [{}, {"labels": "usual", "reduction": "sum"}, {"variant": "as_printed"}],
    ("discriminator", "multi_scale_patch"): [{"channels": 4}],
    ("discriminator", "temporal_patch"): [{"channels": 4}],
    ("discriminator", "sdfa_frame"): [{"channels": 4}, {"channels": 4, "spectral_norm": True}],
    ("discriminator", "sdfa_sequence"): [{"channels": 4, "hidden": 8}],
    ("discriminator", "sdfa_sync"): [{"channels": 4, "joint": 8}],
    ("loss", "hinge"): [{}],
    ("loss", "wasserstein_gp"): [{}],
    ("loss", "non_saturating"): [{}],
    ("loss", "wasserstein"): [{}],
    ("loss", "normalized_l2"): [{}],
    ("loss", "soft_targets"): [{}, {"temperature": 2.0, "direction": "as_printed"}],
    ("loss", "decorrelate"): [{}, {"ridge": 0.5}],
    ("loss", "hsic"): [{}, {"width": 0.5}],
    ("loss", "l1"): [{}, {"region": "full", "reduction": "sum"}],
    ("loss", "l2"): [{}],
    ("loss", "smooth_gradient"): [{}, {"gradient": "sobel"}, {"smoother": "guided"}],
    ("loss", "ssim"): [{}, {"stride": 2}],
    ("optimizer", "rmsprop"): [{"lr": 1e-3, "momentum": 0.5}],
    ("optimizer", "adam"): [{"lr": 1e-3}],
    ("optimizer", "adamw"): [{"lr": 1e-3}],
    ("dataset", "synthetic"): [{"speakers": 2, "sentences": 3, "size": 32}],
    ("dataset", "cremad"): [{"root": "nowhere", "corpus": "nowhere"}],
    ("dataset", "voxceleb2"): [{"corpus": "nowhere"}],
    ("dataset", "folder"): [{"root": "nowhere", "corpus": "nowhere"}],
    ("metric", "ssim"): [{}, {"channel": "grey"}],
    ("metric", "psnr"): [{}],
    ("metric", "identity_accuracy"): [{}],
    ("metric", "emotion_accuracy"): [{}, {"evaluator": "emotion_2"}],
    ("metric", "identity_agreement"): [{}],
    ("metric", "emotion_agreement"): [{}],
    ("metric", "mouth_aperture_correlation"): [{}],
    ("metric", "linear_probe"): [
        {"of": "identity", "on": "emotion"},
        {"of": "sentence", "on": "summary"},
        {"of": "pitch", "on": "identity"},
    ],
    ("metric", "face_retrieval"): [{}, {"top": 2, "speakers": "seen", "distractors": True}],
    ("metric", "av_offset_drift"): [{"window": 0.1, "search": 2, "minutes": [0.005]}],
    ("metric", "identity_drift"): [{"window": 0.1, "minutes": [0.005]}],
    ("metric", "face_verification"): [{}, {"recall_at": [2]}],
    ("metric", "code_map"): [{"of": "identity"}],
    ("metric", "cpbd"): [{}, {"block": 16}],
    ("metric", "csim"): [{}],
    ("metric", "acd"): [{}, {"distance": "cosine", "reference": "same"}],
    ("metric", "blinks"): [{"close_above": 0.2, "open_below": 0.1}],
    ("face_detector", "none"): [{}],
    ("face_detector", "mtcnn"): [{}, {"min_size": 12, "thresholds": [0.6, 0.7, 0.9]}],
    ("landmarks", "face_mesh"): [{"threads": 2}],
    ("landmarks", "darkness"): [{}],
    ("landmarks", "regressed_points"): [{"channels": 4}, {"channels": 4, "input_size": 32}],
    ("stage", "landmarks"): [{"optimizer": ADAM}],
    ("metric", "lip_sync"): [{}],
    ("metric", "silent_lips"): [{"least": 0.04}],
    ("metric", "lip_leak"): [{"least": 0.04}],
    ("metric", "lip_dynamics"): [{}],
    ("metric", "eyebrow_dynamics"): [{}],
    ("metric", "head_motion"): [{}],
    ("metric", "closeness"): [{"of": ["lip_sync", "lip_dynamics"]}],
    ("sync_evaluator", "syncnet"): [
        {"width": 0.05, "input_size": 56},
        {"width": 0.05, "input_size": 64, "region": "mouth"},
    ],
    ("watermark", "spread_spectrum"): [{}, {"key": "mine", "strength": 2.0, "false_positives": 1e-4}],
    ("logger", "tensorboard"): [{}, {"every": 2}],
    ("logger", "wandb"): [{}, {"package": "trackio"}],
    ("stage", "sync_evaluator"): [{"optimizer": ADAM, "windows": 4}],
    ("metric", "av_confidence"): [{}, {"ends": "overlap"}],
    ("metric", "av_offset"): [{"search": 5}],
    ("metric", "lse_c"): [{}],
    ("metric", "lse_d"): [{}],
    ("stage", "contrastive"): [
        {"optimizer": ADAM, "window": 0.3, "negatives": 4, "predictor": kind}
        for kind in ("linear", "transformer")
    ],
    ("stage", "classify"): [
        {"optimizer": ADAM},
        {"optimizer": ADAM, "of": "evaluator", "colour": 0.4, "average": 0.9},
    ],
    ("stage", "distill"): [
        {"optimizer": ADAM, "losses": {"match": "normalized_l2", "distill": "soft_targets"}},
        {"optimizer": ADAM, "losses": {"match": "normalized_l2", "apart": "decorrelate"}},
    ],
    ("stage", "adversarial"): [
        {
            "optimizers": dict.fromkeys(("generator", "identity", "frame", "sync"), ADAM),
            "losses": {"adversarial": "lsgan", "similarity": "l1", "gradient": "smooth_gradient"},
            "frames": 2,
        }
    ],
    ("discriminator", "sync_expert"): [{}],
    ("metric", "sharpness"): [{}, {"region": "mouth"}],
    ("metric", "movement"): [{}],
    ("metric", "mouth_movement"): [{}],
    ("metric", "mouth_against_clean"): [{}],
    ("stage", "sync_pairs"): [{"optimizer": ADAM, "adversarial": "lsgan"}],
    ("stage", "mouth_from_speech"): [{"optimizer": ADAM, "frames": 4}, {"optimizer": ADAM, "variants": 2}],
    ("stage", "evaluate"): [
        {"metrics": {"ssim": "ssim", "evaluated": "identity_accuracy"}},
        {"metrics": {"map": {"use": "code_map", "of": "emotion"}, "ssim": "ssim"}},
    ],
}
NEED_FILES = {("metric", name) for name in ("lpips", "fid", "fvd")}  # see test_perceptual.py
NEED_FILES |= {("loss", "lpips")}  # see test_pretrained.py


def test_every_registered_component_is_checked():
    assert registry().failures == []
    assert set(registry().entries) == set(TINY) | NEED_FILES


ON_DEVICES = {
    *("audio_encoder", "teacher", "student", "generator", "discriminator", "sync_evaluator"),
    *("loss", "optimizer", "stage", "metric"),
}
SLOW = {
    ("audio_encoder", "ge2e"),
    ("audio_encoder", "joined"),
    ("teacher", "facenet"),
}  # where each operation is a call of Python


def places(kind: str, name: str) -> list[str]:
    """Where each of a component's examples is checked: the last where there is no float64, if it can be."""
    on_cpu = kind not in ON_DEVICES or (kind, name) in SLOW
    on_cpu |= bool({"codes", "summary"} & set(registry().get(kind, name).wants))  # probes
    return ["cpu"] * (len(TINY[kind, name]) - 1) + ["cpu" if on_cpu else str(DEVICE)]


CASES = [
    (kind, name, where, options)
    for (kind, name), given in TINY.items()
    for where, options in zip(places(kind, name), given, strict=True)
]


@pytest.mark.parametrize(
    ("kind", "name", "where", "options"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_component_keeps_its_contract(kind, name, where, options):
    try:
        with nullcontext() if where == "cpu" else no_float64():
            check_component(kind, name, device=where, **options)
    except MissingPackageError as error:
        pytest.skip(str(error))


def test_all_that_computes_on_a_device_is_checked_without_float64():
    checked = {(kind, name) for kind, name, where, _ in CASES if where != "cpu"}
    networks = {pair for pair in TINY if pair[0] in ON_DEVICES and pair[0] != "metric"}
    assert checked >= networks - SLOW
    assert ("metric", "psnr") in checked


class Precise(PairLoss):
    def __init__(self, options):
        super().__init__()

    def forward(self, made, true):
        return self.mean(made.double() - true).float()

    def mean(self, difference):
        return difference.abs().mean()


class Made(Precise):
    def forward(self, made, true):
        weights = torch.ones(made.shape[-1], dtype=torch.float64, device=made.device)
        return self.mean((made - true) * weights.float())


class Given(Precise):
    def forward(self, made, true):
        return self.mean(made - true) * torch.tensor([1.0], dtype=torch.float64, device=made.device)[0]


class Elsewhere(Precise):
    def forward(self, made, true):
        return self.mean(made * torch.ones(made.shape[-1]) - true)


@pytest.mark.parametrize(
    ("broken", "error"),
    [(Precise, Float64Error), (Made, Float64Error), (Given, Float64Error), (Elsewhere, MixedDevicesError)],
)
def test_a_loss_in_float64_or_on_two_devices_is_caught(monkeypatch, broken, error):
    with pytest.raises(error), no_float64():
        check(monkeypatch, "loss", broken, LossOptions, str(DEVICE), gives=("pair", "frames"))


def check(monkeypatch, kind, target, options=Options, device="cpu", **words):
    """Check a component that is not installed."""
    own = Registry()
    own.add_all([Entry(kind, "broken", "nowhere:it", options, "a test", **words)], [])
    monkeypatch.setattr("s2vkit.testing.registry", lambda: own)
    monkeypatch.setattr(Entry, "load", lambda self: target)
    check_component(kind, "broken", device=device)


class Encoder(AudioEncoder):
    """Right but for what its subclasses do wrong."""

    sample_rate, rate, dim, summary_dim, causal = 16000, 100.0, 4, 4, True

    def __init__(self, options):
        super().__init__()
        self.mix = nn.Linear(160, 4)

    def forward(self, speech, lengths):
        steps = speech.shape[1] // 160
        features = self.mix(speech[:, : steps * 160].unflatten(1, (steps, 160)))
        own = torch.arange(steps) < (lengths // 160).unsqueeze(1)
        return features, (features * own.unsqueeze(2)).sum(1) / own.sum(1, keepdim=True)


class Unmasked(Encoder):
    def forward(self, speech, lengths):
        features, _ = super().forward(speech, lengths)
        return features, features.mean(1)


class Unused(Encoder):
    def __init__(self, options):
        super().__init__(options)
        self.idle = nn.Linear(2, 2)


class Slow(Encoder):
    rate = 50.0


class Nameless(Encoder):
    summary_dim = None


class Restless(Encoder):
    def forward(self, speech, lengths):
        features, summary = super().forward(speech, lengths)
        return features + torch.rand(()), summary


class Forgetful(Encoder):
    """Encodes each piece as if nothing had been before."""

    def stream(self):
        def encode(speech):
            usable = speech[:, : speech.shape[1] // 160 * 160]
            return self.mix(usable.unflatten(1, (-1, 160))) if usable.numel() else self.none()

        return SimpleNamespace(encode=encode, finish=lambda: (self.none(), torch.zeros(1, 4)))

    def none(self):
        return torch.zeros(1, 0, 4)


def test_a_right_encoder_passes(monkeypatch):
    check(monkeypatch, "audio_encoder", Encoder)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Unmasked, "other summary in a batch of longer ones than alone"),
        (Unused, "no gradient reaches 'idle.weight'"),
        (Slow, "100 steps in 1 s, its rate is 50"),
        (Nameless, "its 'summary_dim' is None"),
        (Restless, "features"),
        (Forgetful, "in pieces, speech has other features than at once"),
        (lambda options: SimpleNamespace(), "is not derived from s2vkit.AudioEncoder"),
    ],
)
def test_a_broken_encoder_is_caught(monkeypatch, broken, said):
    with pytest.raises(ContractError, match=said) as error:
        check(monkeypatch, "audio_encoder", broken)
    assert "audio_encoder 'broken' of a test" in str(error.value)


class Shifted(PairLoss):
    def __init__(self, options):
        super().__init__()

    def forward(self, made, true):
        return (made - true).abs().mean() + 1


class Detached(Shifted):
    def forward(self, made, true):
        return (made.detach() - true).abs().mean().requires_grad_()


@pytest.mark.parametrize(("broken", "said"), [(Shifted, "for equal frames"), (Detached, "gradient")])
def test_a_broken_loss_is_caught(monkeypatch, broken, said):
    with pytest.raises(ContractError, match=said):
        check(monkeypatch, "loss", broken, LossOptions, gives=("pair", "frames"))


def test_a_loss_without_a_weight_is_caught(monkeypatch):
    with pytest.raises(ContractError, match="derive them from LossOptions"):
        check(monkeypatch, "loss", Shifted, gives=("pair", "frames"))


class Blind(Teacher):
    dim, gives, map_shapes = 2, "logits", [(4, 8, 8), (4, 12, 12)]

    def __init__(self, options, *, size, labels):
        super().__init__()
        self.classes = ("x", "y")

    def forward(self, images):
        return images.mean((2, 3))[:, :2]

    classify = forward


def test_a_teacher_that_does_not_know_its_labels_is_caught(monkeypatch):
    with pytest.raises(ContractError, match=r"lack the labels \['ann', 'bob', 'cas'\]"):
        check(monkeypatch, "teacher", Blind, gives=("logits",))


class Untaught(Landmarks):
    groups, pretrained = dict.fromkeys(GROUPS, (0,)), False

    def __init__(self, options):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(3))

    def forward(self, frames):
        return self.at.expand(len(frames), 1, 3)


def test_landmarks_that_a_run_must_train_are_registered_so(monkeypatch):
    check(monkeypatch, "landmarks", Untaught, wants=("landmarks",))
    with pytest.raises(ContractError, match="not registered as wanting landmarks"):
        check(monkeypatch, "landmarks", Untaught)


def test_wrong_options_are_said():
    from s2vkit import RecipeError

    with pytest.raises(RecipeError, match="unknown key 'chanels'"):
        check_component("audio_encoder", "cpc", chanels=8)


def test_a_missing_package_is_told_apart(monkeypatch):
    def needs_more(options):
        raise ImportError("No module named 'rare'")

    with pytest.raises(MissingPackageError, match="No module named 'rare'"):
        check(monkeypatch, "audio_encoder", needs_more)
