"""Worker processes: spawned, deaf to Ctrl-C, of one thread each, and gone when their parent is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

_PAUSE = 5.0  # s between two calls of `on_progress`
_call: Callable[[], object] | None = None
_called = 0.0
_state: Any = None  # in a worker process: what it works with


def worker_pool(workers: int, state: Any) -> ProcessPoolExecutor:
    """Start a pool whose tasks find `state`, pickled once a worker, by `worker_state`."""
    context = multiprocessing.get_context("spawn")  # a fork of a threaded torch can hang
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(state,))


def worker_state() -> Any:
    """Return what this worker's pool was started with."""
    return _state


def end_workers(pool: Executor) -> None:
    """End a pool's processes at once, whatever they are at."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()


def on_progress(call: Callable[[], object] | None) -> None:
    """Let `call` be called every few seconds in which this process reports progress."""
    global _call
    _call = call


def progressing() -> None:
    """Report that work goes on; costs nothing where nobody listens."""
    global _called
    if _call is not None and time.monotonic() - _called > _PAUSE:
        _called = time.monotonic()
        _call()


def end_with_parent() -> None:
    """End this process when its parent is killed; it would wait for work for ever."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def set_up_worker() -> None:
    """Have this process ignore Ctrl-C, compute in one thread, and end with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    end_with_parent()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    else:  # a task may import it; one that does not is not made to wait for it
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"


def _start(state: Any) -> None:
    global _state
    _state = state
    set_up_worker()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
