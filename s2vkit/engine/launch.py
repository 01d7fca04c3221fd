"""Starting the same command in several processes on this machine, as torchrun does."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from s2vkit.device import usable_cores


def launch(count: int, arguments: Sequence[str] | None = None) -> int:
    """Run `s2vkit ARGUMENTS` (those of this command) in `count` processes; give the exit code.

    torch's elastic agent starts them, and ends all when one has failed.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # Our processes say what went wrong; the agent's own report would hide it.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // count)))
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = ["--standalone", f"--nproc-per-node={count}", "--module", "s2vkit", *given]
    try:
        run.run(run.parse_args(options))
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code >= 0 else 128 - code
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0
