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
    """Who speaks in each clip, what they say, and how they hold their heads."""
    return (
        torch.arange(CLIPS) % 4,
        random(CLIPS, FRAMES, FEATURES, seed=1),
        random(CLIPS, FRAMES, POSE, seed=2),
    )


def mouths(people, codes):
    who, speech, poses = people
    made = Mouths(codes.shape[-1], features=FEATURES, pose=POSE, slots=8)
    made.remember(codes, speech, poses, who)
    return made


def told(made, speech, poses, person=0):
    weights = torch.nn.functional.one_hot(torch.full((len(speech),), person), 8).float()
    return made.told(speech, poses, weights)


def test_a_mouth_is_told_from_other_speech_and_moves_as_far_as_it_did(people):
    _, speech, _ = people
    shape = 0.5 * speech[..., :1]
    codes = torch.cat([shape + 0.8 * random(*shape.shape, seed=3), random(*shape.shape, seed=4)], 2)
    made = mouths(people, codes)
    other = random(4, 200, FEATURES, seed=5)
    found = told(made, other, torch.zeros(4, 200, POSE)).flatten(0, 1)
    true = (0.5 * other[..., 0]).flatten()
    assert torch.corrcoef(torch.stack([found[:, 0], true]))[0, 1] > 0.9
    assert 0.8 < found[:, 0].std() / codes[..., 0].std() < 1.2  # with no gain: .5, since noise is not told
    assert found[:, 1].std() < 0.5 * codes[..., 1].std()  # what speech does not move is not moved at random


def test_a_mouth_is_where_its_person_and_the_pose_have_it(people):
    who, _, poses = people
    means = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    codes = means[who][:, None, None] + 0.3 * (poses[..., :1] - 1)
    made = mouths(people, codes)
    still = torch.zeros(1, 1, FEATURES)
    for person, mean in enumerate(means):
        for pose in (-1.0, 2.0):
            held = torch.tensor([[[pose, 0.0, 0.0]]])
            found = told(made, still, held, person)
            torch.testing.assert_close(found, (mean + 0.3 * (pose - 1)).view(1, 1, 1), atol=0.05, rtol=0)


def test_a_clip_beyond_the_slots_and_a_lone_clip_do_no_harm(people):
    _, speech, poses = people
    codes = random(CLIPS, FRAMES, 2, seed=6)
    for made, some in ((Mouths(2, features=FEATURES, pose=POSE, slots=8), 1), (None, CLIPS)):
        made = made or Mouths(2, features=FEATURES, pose=POSE, slots=8)
        slots = torch.tensor([-1, *range(1, 8), *[-1] * 8])[-some:] if some > 1 else torch.tensor([0])
        made.remember(codes[:some], speech[:some], poses[:some], slots)
        assert told(made, speech, poses).isfinite().all()


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


def moving(**options):
    torch.manual_seed(0)
    small = {"width": 16, "min_width": 8, "capacity": 128, "pose_size": 3, **options}
    sizes = {"size": 32, "features": FEATURES, "codes": {"identity": 5}, "map_shapes": []}
    return ModulatedDecoder(ModulatedDecoderOptions(**small), **sizes)


def given(count=12):
    """Four clips whose lower half is as bright as the first feature of their speech says."""
    speech = random(4, count, FEATURES, seed=1)
    frames = 0.3 * random(4, count, 3, 32, 32, seed=2)
    frames[:, :, :, 18:] += speech[..., 0, None, None, None]
    return Conditioning(speech, {"identity": torch.eye(5)[:4]}, frames=frames)


@pytest.fixture(scope="module")
def taught():
    decoder = moving(mouth_size=2, head_motion="replayed")
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


def test_a_mouth_that_was_seen_is_told_from_the_speech_that_moved_it(taught):
    seen, part = [], given()
    with torch.no_grad():
        seen = taught.mouths.seen(part.frames.flatten(0, 1)).unflatten(0, (4, -1))
        weights = taught.poses.weights(part.codes["identity"])
        pose = taught.poses.seen(part.frames.flatten(0, 1)).unflatten(0, (4, -1))
        heard = taught.speech.level(part.features.flatten(0, 1)).unflatten(0, (4, -1))
        found = taught.mouths.told(heard, pose, weights)
    pairs = torch.stack([found.flatten(), seen.flatten()])
    assert torch.corrcoef(pairs)[0, 1] > 0.7


def test_training_sees_the_mouth_and_its_gradient_reaches_what_sees(taught):
    decoder = moving(mouth_size=2)
    decoder.train()(given()).frames.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in decoder.mouths.parameters())
    above, below = given(), given()
    above.frames[:, :, :, :16] = 0
    below.frames[:, :, :, 20:] = 0
    decoder.eval()
    with torch.no_grad():
        seen = [decoder.mouths.seen(one.frames.flatten(0, 1)) for one in (given(), above, below)]
    assert seen[0].equal(seen[1])
    assert not seen[0].equal(seen[2])


@pytest.mark.parametrize("options", [{"mouth_size": 2}, {"head_motion": "replayed"}])
def test_mouths_and_motion_need_poses(options):
    with pytest.raises(ValueError, match="need a pose_size above 0"):
        ModulatedDecoderOptions(**options)
