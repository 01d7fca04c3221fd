"""Metrics that need the weights of published networks, given by file: LPIPS, FID, FVD."""

from typing import Literal

from s2vkit import Field, FileName, Options, Register, hookimpl


class LpipsOptions(Options):
    """What LPIPS needs: the weights of its backbone and of its five linear layers."""

    net: Literal["alex", "vgg"] = Field(
        default="alex", description="the backbone: AlexNet (to report), or VGG16"
    )
    backbone: FileName = Field(
        description="file of torchvision's weights (alexnet-owt-7be5be79.pth, vgg16-397923af.pth)"
    )
    heads: FileName = Field(description="file of the linear layers (lpips/weights/v0.1/alex.pth or vgg.pth)")


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
    """Register the metrics."""
    register(
        "metric",
        "lpips",
        "s2vkit_perceptual.lpips:Lpips",
        LpipsOptions,
        summary="learned perceptual distance of generated and real frames, 0 if equal",
        reference="Zhang et al. 2018, version 0.1",
        better="down",
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
