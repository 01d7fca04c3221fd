"""The lip-sync expert: its speech, its pre-training on real pairs, its share of the generator's gradient."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from s2vkit_discriminators import IdentityMapsOptions, SyncExpertOptions
from s2vkit_discriminators.log_mel import LogMelRuns, spectrum_of
from s2vkit_discriminators.speech2video import IdentityMaps
from s2vkit_discriminators.sync_expert import SyncExpert
from s2vkit_gan_losses.losses import Hinge
from s2vkit_lsgan import LsganOptions
from s2vkit_lsgan.losses import Lsgan
from s2vkit_stages import SyncPairsOptions
from s2vkit_stages.balance import balanced
from s2vkit_stages.held_out import auc_of_pairs, map_correlation
from s2vkit_stages.sync_pairs import SyncPairs
from s2vkit_stages.terms import IdentityMapsTerm

from s2vkit import AdversarialLossOptions, Batch, Discriminator, GeneratorOutput, RecipeError
from s2vkit.options import Slot
from s2vkit.plugins import registry
from s2vkit.testing.checking import noise
from s2vkit.testing.stand_ins import MAPS, stand_in_clips, stand_in_graph


def slot(kind, name, **options):
    return Slot(kind, name, registry().get(kind, name).options(**options))


def make(made):
    return registry().get(made.kind, made.use).load()(made.options)


def expert(frames=1):
    torch.manual_seed(0)
    options = SyncExpertOptions(frames=frames, channels=4, joint=8)
    return SyncExpert(options, size=64, features=1, map_shapes=[])


def pre_training(**options):
    graph = stand_in_graph(make)
    graph.discriminators = {"sync": expert(options.get("window", 5))}
    chosen = {"adversarial": slot("loss", "lsgan"), "optimizer": slot("optimizer", "adam", lr=1e-3)}
    return SyncPairs(SyncPairsOptions(**chosen, **options), graph=graph), graph


def test_the_level_of_the_speech_does_not_matter():
    speech = noise(16000, scale=0.3)
    assert torch.allclose(spectrum_of(speech, 16000, 40), spectrum_of(0.25 * speech, 16000, 40), atol=0.02)


def test_speech_is_cut_around_the_frames_it_belongs_to():
    spectrum = np.broadcast_to(np.arange(200.0), (3, 200))
    (cut,) = LogMelRuns(window=5, n_mels=3, context=0.1).cut([spectrum], np.array([[0, 10]]), 25.0)
    assert cut.shape == (2, 3, 40)
    assert cut[1, 0].tolist() == list(range(30, 70))  # frames 10 to 14 are steps 40 to 59
    assert cut[0, 0, :11].tolist() == [0.0] * 11  # what was before the clip is its first step


class Store:
    """One clip of noise."""

    index = SimpleNamespace(fps=25.0)

    def speech(self, clip, rate):
        return np.random.default_rng(clip).normal(size=2 * rate).astype(np.float32)


def test_matched_and_mismatched_speech_are_read_at_their_own_times():
    store = Store()
    frames, others = np.array([[3, 30]]), np.array([[20, 9]])
    indices = SimpleNamespace(others=others)
    sample = SimpleNamespace(clips=np.array([0]), frames=frames, indices=indices)
    field = LogMelRuns(window=1, n_mels=20)
    found = field.load(SimpleNamespace(store=store, sample_rate=16000), sample)
    spectra = [spectrum_of(torch.from_numpy(store.speech(0, 16000)), 16000, 20).numpy()]
    assert torch.equal(found["log_mel_runs"], field.cut(spectra, frames, 25.0))
    assert torch.equal(found["mismatched_log_mel_runs"], field.cut(spectra, others, 25.0))


def test_the_expert_sees_the_lower_half_of_the_face_alone():
    network, speech = expert(), noise(2, 40, 24)
    faces = noise(2, 1, 3, 64, 64)
    hidden, changed = faces.clone(), faces.clone()
    hidden[:, :, :, :32] = 0
    changed[:, :, :, 40:] = 0
    assert torch.equal(network(faces, speech), network(hidden, speech))
    assert not torch.allclose(network(faces, speech), network(changed, speech))


def test_pre_training_on_real_pairs_lowers_both_losses():
    stage, graph = pre_training(window=5, runs=2)
    clips = stand_in_clips(stage)
    optimizer = torch.optim.Adam(graph.discriminators["sync"].parameters(), 1e-2)
    first, last = {}, {}
    for _ in range(25):
        last = stage.loss(clips, stage.shared_forward(clips))
        first = first or last
        optimizer.zero_grad()
        sum(last.values()).backward()
        optimizer.step()
    assert last["contrast"] < 0.5 * first["contrast"]
    assert last["scores"] < first["scores"]


def test_scores_do_not_move_the_embeddings():
    stage, graph = pre_training(window=5, runs=2)
    clips = stand_in_clips(stage)
    stage.loss(clips, stage.shared_forward(clips))["scores"].backward()
    moved = {name for name, p in graph.discriminators["sync"].named_parameters() if p.grad is not None}
    assert moved == {"score.weight", "score.bias"}


def test_runs_too_near_each_other_are_no_contrast():
    stage, _ = pre_training(window=1, runs=3, gap=5)
    times = torch.tensor([[0, 3, 9], [0, 3, 9]])
    near = stage.near(times, 6)
    assert near.nonzero().tolist() == [[0, 1], [1, 0], [3, 4], [4, 3]]


def test_a_discriminator_without_embeddings_learns_from_its_scores():
    graph = stand_in_graph(make)
    chosen = {"adversarial": slot("loss", "lsgan"), "optimizer": slot("optimizer", "adam", lr=1e-3)}
    stage = SyncPairs(SyncPairsOptions(**chosen, window=1, runs=2), graph=graph)
    clips = stand_in_clips(stage)
    assert set(stage.loss(clips, stage.shared_forward(clips))) == {"scores"}


def test_what_cannot_be_pre_trained_is_reported():
    graph = stand_in_graph(make)
    chosen = {"adversarial": slot("loss", "lsgan"), "optimizer": slot("optimizer", "adam", lr=1e-3)}
    with pytest.raises(RecipeError, match="'frame' sees no mismatched pairs"):
        SyncPairs(SyncPairsOptions(**chosen, of="frame"), graph=graph)
    graph.discriminators = {"sync": expert(5)}
    with pytest.raises(RecipeError, match="runs of 5 frames, but runs of 3 are drawn"):
        SyncPairs(SyncPairsOptions(**chosen, window=3), graph=graph)
    graph.discriminators = {}
    assert "no discriminator 'sync'" in SyncPairs(SyncPairsOptions(**chosen), graph=graph).idle()


class ByMean(Discriminator):
    """Scores frames by their mean."""

    def inputs(self, batch, output):
        return (output.frames.flatten(0, 1),)

    def mismatched(self, batch):
        return (batch["mismatched"].flatten(0, 1),)

    def forward(self, images):
        return images.mean((1, 2, 3))[:, None]


@pytest.mark.parametrize(
    ("loss", "real_is_high"), [(Lsgan(LsganOptions()), False), (Hinge(AdversarialLossOptions()), True)]
)
def test_auc_counts_pairs_in_order_whichever_way_the_scores_go(loss, real_is_high):
    levels = {"frames": [0.1, 0.4], "mismatched": [0.2, 0.5]}  # of four pairs, one has the real one higher
    data = {k: torch.tensor(v).view(2, 1, 1, 1, 1).expand(-1, -1, 3, 4, 4) for k, v in levels.items()}
    auc = auc_of_pairs(ByMean(), loss, Batch(["a", "b"], data=data))
    assert float(auc) == pytest.approx(0.25 if real_is_high else 0.75)


def test_maps_correlate_channel_by_channel():
    wanted = noise(2, 3, 4, 4)
    wanted[:, 2] = 1.0  # a channel that says nothing is left out
    assert map_correlation([2 * wanted + 1], [wanted]).tolist() == pytest.approx([1.0, 1.0])
    maps = wanted.clone()
    maps[0, 0] *= -1
    maps[1, 1] = 0.0
    assert map_correlation([maps], [wanted]).tolist() == pytest.approx([0.0, 0.5], abs=1e-6)


def test_maps_are_compared_relative_to_the_variance_of_each_channel():
    wanted = [noise(4, 2, 4, 4)]
    term = IdentityMapsTerm(2.0)
    real, same = GeneratorOutput(wanted[0], wanted), GeneratorOutput(wanted[0], wanted)
    assert float(term(Batch([]), real, same)) == 0
    mean = [wanted[0].mean((0, 2, 3), keepdim=True).expand_as(wanted[0])]
    assert float(term(Batch([]), real, GeneratorOutput(wanted[0], mean))) == pytest.approx(2.0, rel=0.05)
    assert term(Batch([]), GeneratorOutput(wanted[0]), GeneratorOutput(wanted[0])) is None


def test_noise_hides_maps_in_training_alone():
    network = IdentityMaps(IdentityMapsOptions(channels=4, noise=1.0), size=64, features=1, map_shapes=MAPS)
    output = GeneratorOutput(noise(2, 1, 3, 64, 64), [noise(2, *shape) for shape in MAPS])

    def scores() -> torch.Tensor:
        return network(*network.inputs(Batch([]), output))

    network.train()
    assert not torch.equal(scores(), scores())
    network.eval()
    assert torch.equal(scores(), scores())


def test_a_share_of_the_gradient_is_what_was_asked_for():
    torch.manual_seed(0)
    weights = torch.randn(6, requires_grad=True)
    frames = torch.tanh(weights)
    pixels, judged = 400 * frames.square().sum(), 1e-3 * frames.mul(torch.randn(6)).sum().square()
    term = balanced(judged, [pixels], frames, 0.5)
    (own,) = torch.autograd.grad(term, frames, retain_graph=True)
    (others,) = torch.autograd.grad(pixels, frames, retain_graph=True)
    (direction,) = torch.autograd.grad(judged, frames, retain_graph=True)
    assert float(own.norm() / others.norm()) == pytest.approx(0.5, rel=1e-4)
    assert float(torch.cosine_similarity(own, direction, dim=0)) == pytest.approx(1.0, abs=1e-5)
