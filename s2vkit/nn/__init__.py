"""Small helpers that the networks, losses and metrics of several plugins share."""

from s2vkit.nn.precision import exact, exact_on_device, has_float64
from s2vkit.nn.sizes import face_part, resize, scale_width, valid_mask

__all__ = ["exact", "exact_on_device", "face_part", "has_float64", "resize", "scale_width", "valid_mask"]
