"""Losses between made and real frames, both (N, 3, H, W) in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import PairLoss, PluginError
from s2vkit_losses import PixelOptions, SmoothGradientOptions, SsimLossOptions

_C1, _C2 = 0.01**2, 0.03**2  # for a range of 1, as Wang et al.


class _Pixels(PairLoss):
    def __init__(self, options: PixelOptions) -> None:
        super().__init__()
        self.region = options.region
        self.sums = options.reduction == "sum"

    def difference(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Subtract the frames where they count, in float32."""
        rows, half = prediction.shape[-2], prediction.shape[-2] // 2
        first, last = {"upper": (0, half), "lower": (half, rows), "full": (0, rows)}[self.region]
        return prediction[..., first:last, :].float() - target[..., first:last, :].float()

    def reduce(self, values: Tensor) -> Tensor:
        """Return the mean over frames of the mean, or of the sum, of a frame's values."""
        return values.sum() / values.shape[0] if self.sums else values.mean()


class L1(_Pixels):
    """Eq. 8: |F - phi| over the region, mean over frames.

    The paper sums over [0, W] x [H/2, H] and calls it the upper half, "from the nose up":
    rows 0 to H/2 of the image, whose first row is the top.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W): a scalar."""
        return self.reduce(self.difference(prediction, target).abs())


class L2(_Pixels):
    """(F - phi)^2 over the region, mean over frames."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W): a scalar."""
        return self.reduce(self.difference(prediction, target).square())


class SmoothGradient(PairLoss):
    """Eq. 9: |grad psi(F) - grad psi(phi)|, mean over pixels, x plus y.

    psi is a Gaussian, or a filter guided by the frame itself, as the paper's reference [30] (of
    the plain kind, He et al. 2013). The Gaussian and the gradient are linear, so both are taken
    of the difference F - phi, once; the guided filter smooths each apart. Every mean is
    separable and applied as one small matrix a side, whose borders reflect.
    """

    def __init__(self, options: SmoothGradientOptions) -> None:
        super().__init__()
        check_odd(options.kernel, "smooth_gradient", such_as=5)
        self.kernel, self.sigma = options.kernel, options.sigma
        self.sobel = options.gradient == "sobel"
        self.guided, self.edge = options.smoother == "guided", options.edge
        self._matrices: dict[tuple[int, torch.device], Tensor] = {}

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W): a scalar."""
        with torch.autocast(prediction.device.type, enabled=False):  # differences are small: keep float32
            prediction, target = prediction.float(), target.float()
            x = (
                self._keep_edges(prediction) - self._keep_edges(target)
                if self.guided
                else self._mean(prediction - target)
            )
            across, down = _sobel(x) if self.sobel else _forward_differences(x)
            return across.abs().mean() + down.abs().mean()

    def _mean(self, x: Tensor) -> Tensor:
        return self._smoother(x.shape[-2], x.device) @ x @ self._smoother(x.shape[-1], x.device).mT

    def _keep_edges(self, x: Tensor) -> Tensor:
        """Filter frames guided by themselves: even places are smoothed, edges are kept."""
        mean = self._mean(x)
        variance = (self._mean(x.square()) - mean.square()).clamp(min=0)
        slope = variance / (variance + self.edge)
        return self._mean(slope) * x + self._mean(mean - slope * mean)

    def _smoother(self, side: int, device: torch.device) -> Tensor:
        key = (side, device)
        if key not in self._matrices:
            sigma = 1e6 if self.guided else self.sigma  # flat: a plain mean over the window
            self._matrices[key] = gaussian_matrix(side, self.kernel, sigma).to(device)
        return self._matrices[key]


class StructuralSimilarity(PairLoss):
    """1 - SSIM (Wang et al. 2004): what of light, contrast and structure differs in each window.

    Where Eq. 8 asks for the median of what a pixel may be, which is soft, this asks for its contrast too.
    Windows are Gaussian and whole, the mean is over windows and channels, as in the metric `ssim`. With
    `stride` it is over some of the windows, which takes as much less time.
    """

    def __init__(self, options: SsimLossOptions) -> None:
        super().__init__()
        check_odd(options.kernel, "ssim", such_as=11)
        self.taps, self.stride = gaussian_taps(options.kernel, options.sigma), options.stride

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compare frames (N, 3, H, W) at least as large as a window: a scalar of 0 to 2."""
        with torch.autocast(prediction.device.type, enabled=False):  # variances are small: keep float32
            x, y = (prediction.float() + 1) / 2, (target.float() + 1) / 2
            mean_x, mean_y, squares, product = self._means([x, y, x.square() + y.square(), x * y])
            means, both = mean_x * mean_y, mean_x.square() + mean_y.square()
            light = (2 * means + _C1) / (both + _C1)
            structure = (2 * (product - means) + _C2) / (squares - both + _C2)
            return 1 - (light * structure).mean()

    def _means(self, maps: list[Tensor]) -> list[Tensor]:
        """Average the windows of maps (N, 3, H, W) of one shape: (3 * N, rows, columns) of each."""
        planes = torch.cat([one.flatten(0, 1) for one in maps]).unsqueeze(0)
        count, step = planes.shape[1], self.stride
        shapes = ((1, 1, -1, 1), (1, 1, 1, -1))
        down, across = (self.taps.to(planes).view(one).expand(count, -1, -1, -1) for one in shapes)
        planes = F.conv2d(planes, down, stride=(step, 1), groups=count)
        planes = F.conv2d(planes, across, stride=(1, step), groups=count)
        return list(planes[0].chunk(len(maps)))


def check_odd(kernel: int, loss: str, *, such_as: int) -> None:
    """Raise PluginError if a window has no middle."""
    if kernel % 2 == 0:
        raise PluginError(
            f"loss '{loss}': kernel {kernel} is even", hint=f"say an odd number of pixels, such as {such_as}"
        )


def gaussian_taps(kernel: int, sigma: float) -> Tensor:
    """Return the weights (kernel,) of a Gaussian window; they sum to 1."""
    taps = torch.exp(-0.5 * ((torch.arange(kernel) - kernel // 2) / sigma) ** 2)
    return taps / taps.sum()


def gaussian_matrix(side: int, kernel: int, sigma: float) -> Tensor:
    """Make the (side, side) matrix that blurs a line, its borders reflected without repeat."""
    at = (torch.arange(side)[:, None] + torch.arange(kernel) - kernel // 2).abs()
    at = torch.minimum(at, (2 * (side - 1) - at)).clamp(0, side - 1)
    rows = gaussian_taps(kernel, sigma).expand(side, -1)
    return torch.zeros(side, side).scatter_add_(1, at, rows)


def _forward_differences(x: Tensor) -> tuple[Tensor, Tensor]:
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def _sobel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Sobel gradients inside the border, in units of a pixel's difference (1/8)."""
    across = (x[..., 2:] - x[..., :-2]) / 8
    down = (x[..., 2:, :] - x[..., :-2, :]) / 8
    return (
        across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :],
        down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:],
    )
