"""What speech does not tell, or not all: poses that are gone through, mouths that are told from speech."""

import pytest
import torch
from s2vkit_composer import ModulatedDecoderOptions
from s2vkit_composer.modulated import ModulatedDecoder
from s2vkit_composer.mouths import Mouths
from s2vkit_composer.poses import WALK, Poses, to_and_fro

from s2vkit import Conditioning

CLIPS, FRAMES, FEATURES, POSE = 16, 30, 12, 3


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def people():
    """Who speaks in each clip, and what they say."""
    return torch.arange(CLIPS) % 4, random(CLIPS, FRAMES, FEATURES, seed=1)


def told(made, speech, person=0):
    weights = torch.nn.functional.one_hot(torch.full((len(speech),), person), 8).float()
    return made.told(speech, weights)


def taught_by(people, shapes):
    who, speech = people
    made = Mouths(FEATURES, slots=8)
    made.remember(shapes, speech, who)
    return made


def test_a_mouth_is_told_from_other_speech_and_moves_as_far_as_it_did(people):
    _, speech = people
    shape = 0.5 * speech[..., :1]
    shapes = torch.cat([shape + 0.8 * random(*shape.shape, seed=3), random(*shape.shape, seed=4)], 2)
    made = taught_by(people, shapes)
    other = random(4, 200, FEATURES, seed=5)
    found = told(made, other).flatten(0, 1)
    true = (0.5 * other[..., 0]).flatten()
    assert torch.corrcoef(torch.stack([found[:, 0], true]))[0, 1] > 0.9
    assert 0.8 < found[:, 0].std() / shapes[..., 0].std() < 1.2  # with no gain: .5, since noise is not told
    assert found[:, 1].std() < 0.5 * shapes[..., 1].std()  # what speech does not move is not moved at random


def test_what_speech_tells_of_a_mouth_is_in_deviations_of_its_person(people):
    who, speech = people
    far = torch.tensor([0.5, 1.0, 1.5, 0.0])[who][:, None, None]  # the last one's mouth stays shut
    made = taught_by(people, far * speech[..., :2])
    found = [told(made, speech, person).std() for person in range(4)]
    assert 1.8 < found[1] / found[0] < 2.2
    assert 2.7 < found[2] / found[0] < 3.3
    assert 0 < found[3] < found[0]


def test_mouths_of_runs_of_before_have_one_deviation_for_all(people):
    made = taught_by(people, people[1][..., :2])
    state = {name: value for name, value in made.state_dict().items() if name != "spreads"}
    again = Mouths(FEATURES, slots=8)
    again.load_state_dict(state)
    assert torch.equal(again.spreads, torch.ones(8, 2))
    assert torch.equal(again.from_speech, made.from_speech)


def test_a_mouth_moves_as_much_further_as_is_asked(people):
    _, speech = people
    once, twice = Mouths(FEATURES, slots=8), Mouths(FEATURES, slots=8, strength=2.0)
    for made in (once, twice):
        made.remember(0.2 * speech[..., :2], speech, people[0])
    torch.testing.assert_close(told(twice, speech), 2 * told(once, speech) - told(once, 0 * speech))


def test_a_mouth_is_where_its_person_has_it(people):
    means = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    shapes = means[people[0]][:, None, None].expand(-1, FRAMES, 2)
    made = taught_by(people, shapes)
    for person, mean in enumerate(means):
        torch.testing.assert_close(told(made, torch.zeros(1, 3, FEATURES), person), mean.expand(1, 3, 2))


def test_shapes_are_of_one_scale_and_a_face_that_was_not_found_has_the_mean_one():
    made = Mouths(FEATURES, slots=8).train()
    shapes = 5 + 3 * random(200, 2, seed=6)
    shapes[:20] = torch.nan
    assert made.shown(shapes).abs().max() < 4  # at first, too
    for _ in range(60):
        codes = made.shown(shapes)
    assert 0.8 < codes.std() < 1.1
    made.eval()
    plain = made.shown(shapes)
    torch.testing.assert_close(plain[:20], torch.zeros(20, 2))
    assert made.shown(torch.full((3, 2), torch.nan)).isfinite().all()


def test_a_clip_beyond_the_slots_and_a_lone_clip_do_no_harm(people):
    _, speech = people
    shapes = random(CLIPS, FRAMES, 2, seed=6)
    for slots in (torch.tensor([-1, *range(1, 8), *[-1] * 8]), torch.tensor([0])):
        made = Mouths(FEATURES, slots=8)
        made.remember(shapes[: len(slots)], speech[: len(slots)], slots)
        assert told(made, speech).isfinite().all()


def test_a_walk_goes_to_and_fro_through_the_poses_of_a_clip_of_its_person():
    assert to_and_fro(torch.arange(8), 4).tolist() == [0, 1, 2, 3, 2, 1, 0, 1]
    poses = Poses(POSE, 5, moves=True)
    codes = torch.linspace(0, 1, WALK).view(1, -1, 1) + torch.arange(3.0).view(3, 1, 1) * 10
    voices = torch.eye(5)[:3]
    poses.remember(codes.expand(-1, -1, POSE), voices, torch.tensor([7, 8, 9]))
    times = torch.arange(3 * WALK).expand(3, -1)
    found = poses.recalled(poses.weights(voices), times)
    up = codes[:, 1 : WALK - 1]
    torch.testing.assert_close(found[:, 1 : WALK - 1, :1], up, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[:, WALK : 2 * WALK - 2, :1], up.flip(1), atol=1e-3, rtol=0)
    step = found.diff(dim=1).abs().max()
    assert step < 2 / WALK  # no jump where it turns
    still = poses.recalled(poses.weights(voices), None)
    assert still.shape == (3, 1, POSE)
    short = Poses(POSE, 5, moves=True)
    short.remember(codes[:, :3].expand(-1, -1, POSE), voices, None)
    assert short.recalled(short.weights(voices), times).isfinite().all()


def test_a_walk_leaves_out_how_a_head_is_seldom_held():
    poses, voices = Poses(POSE, 5, moves=True), torch.eye(5)[:1]
    codes = 0.1 * random(2, WALK, POSE, seed=3)
    codes[0] += 6  # a clip apart from the others' mean is not gone through
    codes[1, 35:] += 5
    more = codes[1:].expand(3, -1, -1)
    poses.remember(torch.cat([codes, more]), voices.expand(5, -1), torch.zeros(5, dtype=torch.long))
    found = poses.recalled(poses.weights(voices), torch.arange(2 * WALK)[None])
    assert found.abs().max() < 1
    assert found.std(1).min() > 0.01
    turning = Poses(POSE, 5, moves=True)
    turning.remember(9 * random(1, WALK, POSE, seed=4), voices, None)
    assert turning.recalled(turning.weights(voices), torch.arange(WALK)[None]).std(1).min() > 1


def moving(**options):
    torch.manual_seed(0)
    small = {"width": 16, "min_width": 8, "capacity": 128, "pose_size": 3, **options}
    sizes = {"size": 32, "features": FEATURES, "codes": {"identity": 5}, "map_shapes": []}
    return ModulatedDecoder(ModulatedDecoderOptions(**small), **sizes)


def given(count=12):
    """Four clips whose mouths are as far open as the first feature of their speech says."""
    speech = random(4, count, FEATURES, seed=1)
    shapes = torch.stack([0.3 + 0.1 * speech[..., 0], torch.ones(4, count)], 2)
    frames = random(4, count, 3, 32, 32, seed=2)
    return Conditioning(speech, {"identity": torch.eye(5)[:4]}, frames=frames, mouths=shapes)


@pytest.fixture(scope="module")
def taught():
    decoder = moving(mouth="landmarks", head_motion="replayed")
    for _ in range(40):
        decoder.train()(given())  # so that running means are known
    with torch.no_grad():
        decoder.eval().remember(given(), torch.arange(4))
    return decoder


def test_frames_of_a_moving_head_are_those_of_their_times_and_of_no_other(taught):
    def draw(start, stop, times=True):
        part = given()
        numbers = torch.arange(start, stop)[None] if times else None
        with torch.no_grad():
            return taught(Conditioning(part.features[:, start:stop], part.codes, times=numbers)).frames

    whole = draw(0, 12)
    torch.testing.assert_close(torch.cat([draw(0, 5), draw(5, 12)], 1), whole, atol=1e-5, rtol=0)
    assert not torch.allclose(draw(3, 5), draw(3, 5, times=False), atol=1e-3)


def test_a_mouth_that_was_shown_is_told_from_the_speech_that_moved_it(taught):
    part = given()
    with torch.no_grad():
        heard = taught.speech.level(part.features.flatten(0, 1)).unflatten(0, (4, -1))
        found = taught.mouths.told(heard, taught.poses.weights(part.codes["identity"]))
        shown = taught.mouths.shown(part.mouths.flatten(0, 1)).unflatten(0, (4, -1))
    pairs = torch.stack([found[..., 0].flatten(), shown[..., 0].flatten()])
    assert torch.corrcoef(pairs)[0, 1] > 0.7
    assert found[..., 1].std() < 1e-3  # all are as wide


def test_training_draws_the_mouth_that_it_is_shown():
    decoder, one, other = moving(mouth="landmarks").train(), given(), given()
    other.mouths = one.mouths.flip(1)
    drawn = []
    for part in (one, other, one):
        torch.manual_seed(3)  # of noise and dropout
        drawn.append(decoder(part).frames)
    assert drawn[0].equal(drawn[2])
    assert not torch.allclose(drawn[0], drawn[1], atol=1e-3)
    hears = moving().train()
    assert hears.mouths is None


def test_what_is_known_can_be_left_out_of_what_is_seen():
    torch.manual_seed(0)
    poses, frames = Poses(POSE, 5).eval(), random(4, 3, 32, 32, seed=7)
    seen = [poses.seen(frames, who) for who in (torch.zeros(4, 5), torch.ones(4, 5))]
    assert seen[0].equal(seen[1])  # at first
    poses.train().seen(frames, torch.eye(5)[:4]).square().mean().backward()
    assert poses.known.weight.grad.any()


@pytest.mark.parametrize("options", [{"mouth": "landmarks"}, {"head_motion": "replayed"}])
def test_mouths_and_motion_need_poses(options):
    with pytest.raises(ValueError, match="need a pose_size above 0"):
        ModulatedDecoderOptions(**options)
