"""The paper's equations, against figures worked out in plain Python from the paper's text."""

import itertools
import math

import pytest
import torch
from s2vkit_gan_losses.losses import Hinge, NonSaturating, Wasserstein
from s2vkit_losses import PixelOptions, SmoothGradientOptions, SoftTargetsOptions, SsimLossOptions
from s2vkit_losses.codes import NormalizedL2, SoftTargets
from s2vkit_losses.frames import L1, L2, SmoothGradient, StructuralSimilarity
from s2vkit_lsgan import LsganOptions
from s2vkit_lsgan.losses import Lsgan
from s2vkit_metrics.structure import ssim

from s2vkit import AdversarialLossOptions, LossOptions, PluginError

REAL = torch.tensor([[0.2], [-0.4]])
FAKE = torch.tensor([[0.5], [1.5]])
WRONG = torch.tensor([[0.1], [0.9]])


def softmax(values, temperature=1.0):
    powers = [math.exp(v / temperature) for v in values]
    return [p / sum(powers) for p in powers]


def cross_entropy(weights, logs, temperature=1.0):
    pairs = zip(softmax(weights, temperature), softmax(logs, temperature), strict=True)
    return -sum(p * math.log(q) for p, q in pairs)


# Eq. 2: ||x/|x| - y/|y|||^2


def test_eq2_of_a_right_angle_opposites_and_equals():
    loss = NormalizedL2(LossOptions())
    made = torch.tensor([[3.0, 0.0], [1.0, 1.0], [2.0, 4.0]])
    true = torch.tensor([[0.0, 5.0], [-2.0, -2.0], [1.0, 2.0]])
    assert loss(made, true).item() == pytest.approx((2 + 4 + 0) / 3, abs=1e-6)


def test_eq2_by_hand():
    # (0.6, 0.8) and (1, 0): 0.16 + 0.64
    value = NormalizedL2(LossOptions())(torch.tensor([[3.0, 4.0]]), torch.tensor([[7.0, 0.0]]))
    assert value.item() == pytest.approx(0.8, abs=1e-6)


def test_eq2_sees_only_direction_and_survives_zero():
    loss = NormalizedL2(LossOptions())
    x = torch.tensor([[0.3, -1.2, 0.7]], requires_grad=True)
    loss(x, torch.tensor([[1.0, 2.0, -1.0]])).backward()
    assert (x.grad * x.detach()).sum().abs() < 1e-6  # no pull along the code itself
    zero = torch.zeros(1, 3, requires_grad=True)
    loss(zero, torch.ones(1, 3)).backward()
    assert zero.grad.isfinite().all()


# Eq. 3: softmax cross-entropy


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_eq3_in_both_directions(temperature):
    student, teacher = [0.5, -1.0, 2.0], [1.0, 0.0, -1.0]
    made, true = torch.tensor([student]), torch.tensor([teacher])
    kd = SoftTargets(SoftTargetsOptions(temperature=temperature))(made, true)
    printed = SoftTargets(SoftTargetsOptions(temperature=temperature, direction="as_printed"))
    assert kd.item() == pytest.approx(cross_entropy(teacher, student, temperature), rel=1e-5)
    assert printed(made, true).item() == pytest.approx(cross_entropy(student, teacher, temperature), rel=1e-5)


def test_eq3_gradient_is_student_minus_teacher():
    made = torch.tensor([[0.5, -1.0, 2.0]], requires_grad=True)
    SoftTargets(SoftTargetsOptions())(made, torch.tensor([[1.0, 0.0, -1.0]])).backward()
    p, q = softmax([0.5, -1.0, 2.0]), softmax([1.0, 0.0, -1.0])
    assert made.grad[0].tolist() == pytest.approx([a - b for a, b in zip(p, q, strict=True)], abs=1e-6)


def test_eq3_has_its_least_at_the_teacher_only_in_the_kd_direction():
    teacher = torch.tensor([[1.0, 0.0, -1.0]])
    sure = torch.tensor([[30.0, 0.0, -30.0]])  # says only the teacher's first choice
    kd = SoftTargets(SoftTargetsOptions())
    printed = SoftTargets(SoftTargetsOptions(direction="as_printed"))
    assert kd(teacher, teacher) < kd(sure, teacher)
    assert printed(sure, teacher) < printed(teacher, teacher)


# Eqs. 4 and 5: 1/2 E[(D(fake) - 1)^2] + 1/2 E[D(real)^2], and the generator's part


def test_eq4_and_eq5_by_hand():
    loss = Lsgan(LsganOptions())
    # fakes: (0.25 + 0.25) / 2; reals: (0.04 + 0.16) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(0.5 * 0.25 + 0.5 * 0.1)
    assert loss.generator(FAKE).item() == pytest.approx(0.5 * (0.25 + 2.25) / 2)


# Eq. 6: E[D(real)^2] + 1/2 E[(D(wrong) - 1)^2] + 1/2 E[(D(fake) - 1)^2]


def test_eq6_by_hand():
    value = Lsgan(LsganOptions()).discriminator(REAL, FAKE, WRONG)
    assert value.item() == pytest.approx(0.1 + 0.5 * (0.81 + 0.01) / 2 + 0.5 * 0.25)


def test_usual_labels_mirror_the_papers():
    paper, usual = Lsgan(LsganOptions()), Lsgan(LsganOptions(labels="usual"))
    for wrong in (None, WRONG):
        flipped = None if wrong is None else 1 - wrong
        assert usual.discriminator(1 - REAL, 1 - FAKE, flipped).item() == pytest.approx(
            paper.discriminator(REAL, FAKE, wrong).item()
        )
    assert usual.generator(1 - FAKE).item() == pytest.approx(paper.generator(FAKE).item())


def test_own_labels_win_over_the_convention():
    loss = Lsgan(LsganOptions(labels="usual", real=0.9, fake=-1.0, target=0.5))
    expected = 0.5 * ((0.7**2 + 1.3**2) / 2 + (1.5**2 + 2.5**2) / 2)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected)
    assert loss.generator(FAKE).item() == pytest.approx(0.5 * (0.0 + 1.0) / 2)


def test_eqs_as_printed_push_the_fakes_to_be_spotted():
    printed = Lsgan(LsganOptions(variant="as_printed"))
    assert printed.generator(FAKE).item() == pytest.approx(0.5 * 0.25)
    assert printed.generator(torch.ones(3)).item() == 0  # least where D says "fake"
    fake = torch.tensor([0.5], requires_grad=True)
    printed.generator(fake).backward()
    assert fake.grad.item() == pytest.approx(-0.5)  # descent raises D, towards "fake"
    good = torch.tensor([0.5], requires_grad=True)
    Lsgan(LsganOptions()).generator(good).backward()
    assert good.grad.item() == pytest.approx(0.5)  # descent lowers D, towards "real"


def test_eq5_sums_over_t_and_takes_the_mean_over_clips_and_patches():
    loss = Lsgan(LsganOptions(reduction="sum"))
    real = torch.tensor([[[0.1, 0.3], [0.5, 0.7], [0.0, 0.2]], [[0.2, 0.2], [0.4, 0.0], [1.0, 0.6]]])
    fake = 1 - 2 * real  # 2 clips, 3 times, 2 patches
    over_t = sum(
        sum((fake[b, t, p] - 1) ** 2 + real[b, t, p] ** 2 for b in range(2) for p in range(2)).item() / 4
        for t in range(3)
    )
    assert loss.discriminator(real, fake).item() == pytest.approx(0.5 * over_t)
    twice = torch.cat([fake, fake])  # more clips, or more patches, weigh nothing more
    assert loss.generator(twice).item() == pytest.approx(loss.generator(fake).item())
    patches = torch.cat([fake, fake], 2)
    assert loss.generator(patches).item() == pytest.approx(loss.generator(fake).item())
    assert loss.generator(torch.cat([fake, fake], 1)).item() == pytest.approx(2 * loss.generator(fake).item())


@pytest.mark.parametrize("kind", [Hinge, NonSaturating, Wasserstein])
def test_the_other_losses_by_hand(kind):
    def relu(x):
        return max(0.0, x)

    def soft(x):
        return math.log(1 + math.exp(x))

    of_real, of_fake, of_made = {
        Hinge: (lambda d: relu(1 - d), lambda d: relu(1 + d), lambda d: -d),
        NonSaturating: (lambda d: soft(-d), soft, lambda d: soft(-d)),
        Wasserstein: (lambda d: -d, lambda d: d, lambda d: -d),
    }[kind]

    def mean(rule, scores):
        return sum(map(rule, scores.flatten().tolist())) / scores.numel()

    loss = kind(AdversarialLossOptions())
    real, fake, wrong = mean(of_real, REAL), mean(of_fake, FAKE), mean(of_fake, WRONG)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(real + fake, abs=1e-6)
    assert loss.discriminator(REAL, FAKE, WRONG).item() == pytest.approx(
        real + 0.5 * (fake + wrong), abs=1e-6
    )
    assert loss.generator(FAKE).item() == pytest.approx(mean(of_made, FAKE), abs=1e-6)


# Eq. 8: the sum of |F - phi| over the upper half


def frames_of_rows(values):
    """One frame of 4 x 2 pixels whose rows hold the given values, in three equal colours."""
    return torch.tensor(values).view(1, 1, 4, 1).expand(1, 3, 4, 2)


@pytest.mark.parametrize(
    ("region", "mean"), [("upper", 1.5), ("lower", 30.0), ("full", (1 + 2 + 20 + 40) / 4)]
)
def test_eq8_counts_its_region(region, mean):
    made = frames_of_rows([1.0, -2.0, 20.0, 40.0])  # the first row is the top of the image
    true = torch.zeros(1, 3, 4, 2)
    assert L1(PixelOptions(region=region))(made, true).item() == pytest.approx(mean)


def test_eq8_as_a_sum_over_pixels_is_a_mean_over_frames():
    made = frames_of_rows([1.0, -2.0, 20.0, 40.0])
    two = torch.cat([made, torch.zeros_like(made)])
    loss = L1(PixelOptions(reduction="sum"))
    assert loss(two, torch.zeros_like(two)).item() == pytest.approx((1 + 2) * 2 * 3 / 2)


def test_squared_differences_are_squared():
    made = frames_of_rows([1.0, -2.0, 20.0, 40.0])
    assert L2(PixelOptions())(made, torch.zeros(1, 3, 4, 2)).item() == pytest.approx(2.5)


# Eq. 9: |grad psi(F) - grad psi(phi)|


def smooth_by_loops(image, kernel, sigma):
    side, reach = len(image), kernel // 2
    taps = {d: math.exp(-0.5 * (d / sigma) ** 2) for d in range(-reach, reach + 1)}
    total = sum(taps.values())

    def at(i):
        return -i if i < 0 else 2 * (side - 1) - i if i >= side else i

    return [
        [
            sum(taps[a] * taps[b] * image[at(i + a)][at(j + b)] / total**2 for a in taps for b in taps)
            for j in range(side)
        ]
        for i in range(side)
    ]


def test_eq9_by_loops():
    torch.manual_seed(0)
    side = 8
    made, true = torch.randn(2, 1, 1, side, side)
    f = smooth_by_loops(made[0, 0].tolist(), 5, 1.5)
    p = smooth_by_loops(true[0, 0].tolist(), 5, 1.5)
    across = [
        abs((f[i][j + 1] - f[i][j]) - (p[i][j + 1] - p[i][j])) for i in range(side) for j in range(side - 1)
    ]
    down = [
        abs((f[i + 1][j] - f[i][j]) - (p[i + 1][j] - p[i][j])) for i in range(side - 1) for j in range(side)
    ]
    value = SmoothGradient(SmoothGradientOptions())(made, true)
    assert value.item() == pytest.approx(sum(across) / len(across) + sum(down) / len(down), abs=1e-5)


def test_eq9_ignores_an_even_change_of_brightness_and_sees_an_edge():
    loss = SmoothGradient(SmoothGradientOptions())
    frame = torch.rand(2, 3, 16, 16)
    assert loss(frame + 0.3, frame).item() == pytest.approx(0, abs=1e-6)
    edge = frame.clone()
    edge[..., 8:] += 1.0
    assert loss(edge, frame).item() == pytest.approx(1 / 15, abs=1e-5)  # the step, once a row


@pytest.mark.parametrize("gradient", ["forward", "sobel"])
def test_eq9_of_a_ramp_is_its_slope(gradient):
    ramp = torch.arange(32.0).expand(1, 3, 32, 32) * 0.01
    options = SmoothGradientOptions(kernel=1, gradient=gradient)
    value = SmoothGradient(options)(ramp, torch.zeros_like(ramp))
    assert value.item() == pytest.approx(0.01, rel=1e-4)


def test_eq9_is_as_exact_under_bfloat16():
    torch.manual_seed(0)
    made, true = torch.randn(2, 2, 3, 16, 16)
    loss = SmoothGradient(SmoothGradientOptions())
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(made, true)
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(loss(made, true).item(), rel=1e-6)


def test_an_even_kernel_is_refused():
    with pytest.raises(PluginError, match="kernel 4 is even"):
        SmoothGradient(SmoothGradientOptions(kernel=4))


@pytest.mark.parametrize("loss", [L1, L2])
def test_losses_of_pixels_pass_gradient_only_to_their_region(loss):
    made = torch.rand(2, 3, 8, 8, requires_grad=True)
    loss(PixelOptions())(made, torch.zeros(2, 3, 8, 8)).backward()
    assert (made.grad[:, :, :4] != 0).all()
    assert (made.grad[:, :, 4:] == 0).all()


def test_eq9_with_a_guided_filter_by_loops():
    """One line of pixels: means over 3, borders reflected."""
    line = [0.0, 0.1, 0.0, 1.0, 0.9]
    side, edge = len(line), 0.05

    def mean(values):
        at = [1, 0, 1, 2, 3, 4, 3]
        return [sum(values[at[i + d]] for d in range(3)) / 3 for i in range(side)]

    m = mean(line)
    variance = [s - u * u for s, u in zip(mean([x * x for x in line]), m, strict=True)]
    slope = [v / (v + edge) for v in variance]
    level = mean([u - a * u for a, u in zip(slope, m, strict=True)])
    kept = [a * x + b for a, x, b in zip(mean(slope), line, level, strict=True)]
    frame = torch.tensor(line).expand(1, 1, side, side)
    loss = SmoothGradient(SmoothGradientOptions(smoother="guided", kernel=3, edge=edge))
    expected = sum(abs(b - a) for a, b in itertools.pairwise(kept)) / (side - 1)
    assert loss(frame, torch.zeros_like(frame)).item() == pytest.approx(expected, abs=1e-5)
    assert abs(kept[3] - kept[2]) > 0.6  # the edge is kept


def test_ssim_as_a_loss_is_one_minus_the_metric():
    torch.manual_seed(0)
    true = torch.rand(3, 3, 24, 24) * 2 - 1
    made = (0.6 * true + 0.4 * torch.rand_like(true)).requires_grad_()
    loss = StructuralSimilarity(SsimLossOptions())
    value = loss(made, true)
    measured = ssim((made.detach() + 1) / 2, (true + 1) / 2).mean()
    assert value.item() == pytest.approx(1 - measured.item(), abs=1e-5)
    value.backward()
    moved = made.detach() - 0.1 * made.grad / made.grad.norm()
    assert loss(moved, true) < value
    assert loss(true, true).item() == pytest.approx(0, abs=1e-6)


def test_ssim_as_a_loss_asks_for_contrast_where_eq8_asks_for_the_mean():
    """Half of what a texture does is told, half is chance: L1 wants the told half, SSIM more of it."""
    torch.manual_seed(0)
    told, chance = torch.randn(2, 8, 3, 32, 32) * 0.1

    def best(loss):
        return min((0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4), key=lambda scale: loss(scale * told, told + chance))

    assert best(L1(PixelOptions(region="full"))) == pytest.approx(1.0, abs=0.11)
    assert best(StructuralSimilarity(SsimLossOptions())) > 1.15


def test_ssim_as_a_loss_over_some_windows_is_about_that_over_all():
    torch.manual_seed(0)
    true = torch.rand(3, 3, 48, 48) * 2 - 1
    made = 0.6 * true + 0.4 * torch.rand_like(true)
    all_windows, some = (StructuralSimilarity(SsimLossOptions(stride=step))(made, true) for step in (1, 3))
    assert some.item() == pytest.approx(all_windows.item(), rel=0.03)
    assert some.item() != all_windows.item()


def test_ssim_as_a_loss_is_as_exact_under_bfloat16():
    torch.manual_seed(0)
    made, true = torch.rand(2, 2, 3, 16, 16)
    loss = StructuralSimilarity(SsimLossOptions())
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(made, true)
    assert low.item() == pytest.approx(loss(made, true).item(), rel=1e-6)


def test_ssim_as_a_loss_refuses_an_even_kernel():
    with pytest.raises(PluginError, match="kernel 4 is even"):
        StructuralSimilarity(SsimLossOptions(kernel=4))
