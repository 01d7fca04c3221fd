"""SDFA as generators: from a still of the speaker, or from a face heard in the voice."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from s2vkit import Conditioning, Generator, GeneratorOutput, RecipeError, draw_rows, fit_weights, read_weights
from s2vkit.nn import resize
from s2vkit_sdfa import SdfaFromVoiceOptions, SdfaOptions, SdfaSizes
from s2vkit_sdfa.networks import (
    RATE,
    START,
    WINDOW,
    ContentEncoder,
    FaceDecoder,
    FrameDecoder,
    IdentityEncoder,
)

Shape = tuple[int, int, int]
PUBLISHED = (128, 96)  # height, width
_NOISE_SEED = 0


class _Animator(Generator):
    """What both generators share: content, noise and the decoder over runs of frames.

    At each frame: content from a GRU over 0.2 s windows of raw speech, noise from a GRU, and
    the identity code; the decoder draws from them with the still's maps as skips. Both GRUs
    go on from `Conditioning.state`, so that chunks of a clip are drawn as if at once. In eval mode the
    noise is the same for every clip, whatever it is batched or cut with.
    """

    audio_rate = RATE
    audio_samples = WINDOW

    def __init__(
        self, options: SdfaSizes, *, size: int, canvas: tuple[int, int], skips: bool, name: str
    ) -> None:
        super().__init__()
        _check_size(size, canvas, name)
        self.size, self.canvas, self.warmup_frames = size, canvas, options.warmup_frames
        self.noise = (options.noise, options.noise_scale)
        self.encoder = ContentEncoder(options.content)
        self.generator = FrameDecoder(
            canvas, options.channels, options.content + options.identity, options.noise, skips=skips
        )

    def animate(self, codes: Conditioning, identity: Tensor, maps: list[Tensor]) -> tuple[Tensor, Any]:
        """Draw the frames (B, V, 3, size, size) of codes for a face, and give the state."""
        sounds = _given(codes.audio_windows, "audio windows")
        clips, runs = sounds.shape[:2]
        speech_state, noise, flow = codes.state or (None, None, None)
        content, speech_state = self.encoder(sounds.flatten(0, 1), speech_state)
        flow = flow or torch.Generator().manual_seed(_NOISE_SEED)
        noises, noise = self.generator.follow(self._draw_noise(content, flow), noise)
        drawn = codes.features.shape[1] // runs  # of each run; what comes before it is the lead
        inputs = torch.cat([content, noises], 2)[:, -drawn:].reshape(clips, runs * drawn, -1)
        vector = torch.cat([inputs, identity[:, None].expand(-1, inputs.shape[1], -1)], 2)
        skips = [m.repeat_interleave(inputs.shape[1], 0) for m in maps]
        frames = self._to_world(self.generator(vector.flatten(0, 1), skips))
        return frames.unflatten(0, (clips, -1)), (speech_state, noise, flow)

    def _draw_noise(self, content: Tensor, flow: torch.Generator) -> Tensor:
        size, scale = self.noise
        if self.training:
            steps, device = content.shape[1], content.device
            return scale * draw_rows(
                lambda clips: torch.randn(clips, steps, size, device=device), len(content)
            )
        # Frame by frame: one draw of many numbers differs from several of fewer.
        frames = [torch.randn(size, generator=flow) for _ in range(content.shape[1])]
        drawn = torch.stack(frames)
        return scale * drawn.to(content.device).expand(len(content), -1, -1)

    def _to_world(self, images: Tensor) -> Tensor:
        return resize(images, self.size)


class Sdfa(_Animator):
    """Animates a still image of the speaker by raw speech (Vougioukas et al. 2019).

    With the published sizes and `shape: portrait`, the network of `crema.dat`: 55.3 million
    parameters. Square frames are of 4 px times a power of two.
    """

    takes_reference_image = True

    def __init__(
        self,
        options: SdfaOptions,
        *,
        size: int,
        features: int,
        codes: dict[str, int],
        map_shapes: list[Shape],
    ) -> None:
        canvas = PUBLISHED if options.shape == "portrait" else (size, size)
        path = options.checkpoint
        found = read_weights(path) if path else {}
        with torch.device("meta") if path else nullcontext():
            super().__init__(options, size=size, canvas=canvas, skips=True, name="sdfa")
            self.encoder_id = IdentityEncoder(canvas, options.channels, options.identity)
        if path:
            self.to_empty(device="cpu")
            for name, counter in self.named_buffers():
                if name.endswith("num_batches_tracked"):  # a file may lack it
                    counter.zero_()
            fit_weights(self, found, source=path)
        else:
            _start_weights(self)
        self.pretrained = bool(path)
        self.published, self.reference = options.shape == "portrait", options.reference

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Draw frames (B, V, 3, size, size) in [-1, 1] of stills and sounds."""
        images = resize(_given(codes.reference_images, "reference images"), self.canvas)
        frames, state = self.animate(codes, *self.encoder_id(images))
        return GeneratorOutput(frames, state=state)

    def _to_world(self, images: Tensor) -> Tensor:
        # The published network's 1 stands for 250 of 255: 125 tanh + 125.
        drawn = (images + 1) * (125 / 127.5) - 1 if self.published else images
        return super()._to_world(drawn)


class SdfaFromVoice(_Animator):
    """S2F+SDFA: what is heard in the voice takes the place of the still.

    drawn: a face decoder draws a still from the identity code, which SDFA then animates, skips
    and all. code: the code is projected to the size of SDFA's identity code, and there are no
    skips. Neither ever sees a picture.
    """

    def __init__(
        self,
        options: SdfaFromVoiceOptions,
        *,
        size: int,
        features: int,
        codes: dict[str, int],
        map_shapes: list[Shape],
    ) -> None:
        canvas, draws = (size, size), options.face == "drawn"
        super().__init__(options, size=size, canvas=canvas, skips=draws, name="sdfa_from_voice")
        identity = codes.get("identity", 0)
        if not identity:
            raise RecipeError(
                "generator 'sdfa_from_voice' has no identity code to draw a face from",
                hint="add teachers.identity and students.identity",
            )
        if draws:
            self.face: nn.Module = FaceDecoder(identity, canvas, options.channels)
            self.encoder_id = IdentityEncoder(canvas, options.channels, options.identity)
        else:
            self.face = nn.Sequential(nn.Linear(identity, options.identity), nn.Tanh())
        self.draws = draws
        _start_weights(self)

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Draw frames (B, V, 3, size, size) in [-1, 1] of identity codes and sounds."""
        face = self.face(_given(codes.codes.get("identity"), "identity"))
        code, maps = self.encoder_id(face) if self.draws else (face, [])
        frames, state = self.animate(codes, code, maps)
        return GeneratorOutput(frames, reference_image=face if self.draws else None, state=state)


def _check_size(size: int, canvas: tuple[int, int], name: str) -> None:
    side = canvas[0] // START
    if canvas[0] != side * START or side < 4 or side & (side - 1):
        raise RecipeError(
            f"generator '{name}' cannot draw frames of {size} px",
            hint="it doubles a map of 4 px: 16, 32, 64, 128 or 256 px",
        )


def _given(value: Tensor | None, what: str) -> Tensor:
    if value is None:
        raise ValueError(f"SDFA was given no {what}")
    return value


def _start_weights(module: nn.Module) -> None:
    """Draw the weights of all convolutions as DCGAN does; GRUs and linear layers as torch does."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
