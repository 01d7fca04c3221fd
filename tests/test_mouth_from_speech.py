"""What a decoder's own layers hear of the mouth, and the stage that teaches them before it draws."""

import pytest
import torch
from helpers_toy import REGISTRY, load_toy, run_toy
from s2vkit_composer import FrameDecoderOptions, SkipDecoderOptions
from s2vkit_composer.decoder import FrameDecoder
from s2vkit_composer.skip import SkipDecoder
from s2vkit_stages import MouthFromSpeechOptions
from s2vkit_stages.mouth_from_speech import MouthFromSpeech
from safetensors.torch import load_file

from s2vkit import Batch, Conditioning, RecipeError
from s2vkit.build import Builder
from s2vkit.engine.preflight import check_hearing
from s2vkit.options import Slot
from s2vkit.plugins import registry
from s2vkit.testing.checking import noise
from s2vkit.testing.stand_ins import stand_in_graph

FEATURES = 6
SIZES = {"size": 32, "features": FEATURES, "codes": {"emotion": 3}, "map_shapes": []}
SMALL = {"width": 16, "min_width": 4}


def paper(hearing):
    torch.manual_seed(0)
    return FrameDecoder(FrameDecoderOptions(**SMALL, hearing=hearing), **SIZES)


def skip(hearing):
    torch.manual_seed(0)
    return SkipDecoder(SkipDecoderOptions(**SMALL, hearing=hearing, context_radius=1), **SIZES)


def codes(clips=4, times=3):
    context = noise(clips, times, 3, FEATURES)
    return Conditioning(context[:, :, 1], {"emotion": noise(clips, 3, seed=1)}, context)


@pytest.mark.parametrize("make", [paper, skip])
def test_to_draw_does_not_move_what_hears_and_to_hear_moves_nothing_else(make):
    decoder = make([8, 5]).train()
    decoder(codes()).frames.square().mean().backward()
    reached = {name for name, p in decoder.named_parameters() if p.grad is not None}
    assert reached
    assert not any(name.startswith("hearing.") for name in reached)
    decoder.zero_grad(set_to_none=True)
    heard = decoder.hear(codes())
    assert heard.shape == (4, 3, decoder.hearing_size) == (4, 3, 5)
    heard.square().mean().backward()
    reached = {name for name, p in decoder.named_parameters() if p.grad is not None}
    assert reached == {f"hearing.layers.{i}.{what}" for i in (0, 1) for what in ("weight", "bias")}


@pytest.mark.parametrize("make", [paper, skip])
def test_frames_are_drawn_from_what_is_heard_too(make):
    decoder, given = make([8, 5]).eval(), codes()
    with torch.no_grad():
        before = decoder(given).frames
        torch.nn.init.zeros_(decoder.hearing.layers[-1].weight)
        deaf = decoder(given).frames
    assert (before - deaf).abs().max() > 1e-3
    assert deaf.diff(dim=1).abs().max() > 1e-3  # from the feature itself


def test_to_draw_leaves_the_level_of_speech_as_it_was_heard():
    decoder = paper([8, 5]).train()
    decoder.hear(codes())
    learnt = decoder.hearing.level.running_mean.clone()
    assert learnt.abs().max() > 0
    loud = codes()
    loud.features = 50 * loud.features + 3
    decoder(loud)
    assert torch.equal(decoder.hearing.level.running_mean, learnt)


def lessons(seed):
    """Speech, and frames whose lower half is bright where the first number is far from nought."""
    speech = noise(8, 16, FEATURES, seed=seed)
    frames = noise(8, 16, 3, 32, 32, seed=seed + 1, scale=0.1)
    frames[:, :, :, 16:] += speech[:, :, 0].abs()[:, :, None, None, None]
    frames[:, :, :, :16] += 5 * speech[:, :, 1][:, :, None, None, None]  # the upper half does not count
    frames += 3 * noise(8, 1, 1, 1, 1, seed=seed + 2)  # nor does how light a clip is
    return Batch(["clip"] * 8, data={"features": speech, "frames": frames})


def test_it_learns_what_no_linear_function_of_speech_tells():
    graph = stand_in_graph(lambda slot: None)
    graph.generator = paper([32, 8]).train()
    adam = Slot("optimizer", "adam", registry().get("optimizer", "adam").options(lr=1e-2))
    stage = MouthFromSpeech(MouthFromSpeechOptions(steps=1, optimizer=adam, frames=16), graph=graph)
    torch.manual_seed(0)
    parts = [graph.generator.hearing, stage.extras()["told"]]
    optimizer = torch.optim.Adam([p for part in parts for p in part.parameters()], 1e-2)
    for step in range(150):
        clips = lessons(10 * step)
        loss = stage.loss(clips, stage.shared_forward(clips))["picture"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    graph.generator.eval()
    with torch.no_grad():
        untold = stage.validate(lessons(100000))["untold"]
    assert untold < 0.35  # a linear function leaves all of it: 1


def test_the_stage_leaves_what_hears_alone_taught(tmp_path):
    run_toy(tmp_path, "stages.pretrain_mouth.steps=5", stages=["pretrain_mouth"])
    found = load_file(tmp_path / "run" / "stages" / "pretrain_mouth" / "weights.safetensors")
    assert {key.split("/")[0] for key in found} == {"generator.hearing", "told"}
    assert found["generator.hearing/level.num_batches_tracked"] == 5  # it learnt the level of speech too
    run_toy(tmp_path, "stages.pretrain_mouth.steps=5", stages=["compose"])
    drawn = load_file(tmp_path / "run" / "stages" / "compose" / "weights.safetensors")
    heard = {
        key.split("/")[1]: tensor for key, tensor in found.items() if key.startswith("generator.hearing")
    }
    assert heard
    assert all(torch.equal(drawn[f"generator/hearing.{key}"], tensor) for key, tensor in heard.items())


def test_a_generator_that_hears_and_is_taught_nothing_is_refused(tmp_path):
    for sets, refused in (
        ([], False),
        (["stages.pretrain_mouth=null", "stages.compose.after=[distill]"], True),
        (["stages.pretrain_mouth=null", "stages.compose.after=[distill]", "generator.hearing=[]"], False),
    ):
        recipe = load_toy(tmp_path, *sets).recipe
        builder = Builder(recipe, REGISTRY)
        graph = builder.graph()
        stages = builder.stages(graph, torch.device("cpu"))
        if not refused:
            check_hearing(graph, stages)
            continue
        with pytest.raises(RecipeError, match="no stage teaches it") as caught:
            check_hearing(graph, stages)
        assert "mouth_from_speech" in caught.value.hint
        check_hearing(graph, stages, started=["generator"])  # it was taught in another run


def test_without_layers_that_hear_the_stage_is_idle(tmp_path):
    recipe = load_toy(tmp_path, "generator.hearing=[]").recipe
    builder = Builder(recipe, REGISTRY)
    stages = builder.stages(builder.graph(), torch.device("cpu"))
    assert "speech features as they are" in stages["pretrain_mouth"].idle()
