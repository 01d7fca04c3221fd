"""The peak memory of a stage: of this process, and of its GPU."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"  # see proc(5): VmHWM begins again from what is held now


class Peak:
    """Measures from its creation; for the whole process on a system that cannot reset the peak.

    The memory of worker processes (they load clips) is not counted.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.anew = device, _begin_anew()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def read(self) -> dict[str, int | str]:
        """Return bytes: "resident", of what time it is ("of"), and "cuda" where there is one."""
        found: dict[str, int | str] = {}
        resident = _high_water() if self.anew else _whole_process()
        if resident:
            found |= {"resident": resident, "of": "stage" if self.anew else "process"}
        if self.device.type == "cuda":
            found["cuda"] = torch.cuda.max_memory_allocated(self.device)
        return found


def _begin_anew() -> bool:
    try:
        _RESET.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return _high_water() > 0


def _high_water() -> int:
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def _whole_process() -> int:
    try:
        import resource
    except ImportError:  # Windows has none
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
