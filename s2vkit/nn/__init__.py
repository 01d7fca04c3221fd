"""Small helpers that the networks, losses and metrics of several plugins share."""

from s2vkit.nn.precision import exact

__all__ = ["exact"]
