"""Reading SENet-50 files of pytorch-mcn ("dag") under timm's names."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

from torch import Tensor

from s2vkit import read_weights

KEYS = Path(__file__).with_name("dag_to_timm.json")


def read_senet(path: str) -> OrderedDict[str, Tensor]:
    """Read a SENet-50 file; names of pytorch-mcn become those of timm's legacy_seresnet50.

    The classifier may be a convolution or linear. Names that are neither are kept, so that
    fitting the weights can report them.
    """
    names: dict[str, str] = json.loads(KEYS.read_text())
    found = OrderedDict((names.get(k, k), v) for k, v in read_weights(path).items())
    head = found.get("last_linear.weight")
    if head is not None:
        found["last_linear.weight"] = head.flatten(1)
    return found
