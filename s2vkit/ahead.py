"""Working ahead: the next items are prepared in threads while one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def ahead(
    make: Callable[[_In], _Out], items: Iterable[_In], workers: int
) -> Iterator[tuple[_In, Callable[[], _Out]]]:
    """Give items in their order, each with what returns `make(item)` or raises what that raised.

    At most `workers` items are made ahead, so that memory stays flat; with 0, each when asked for.
    """
    if workers < 1:
        yield from ((item, lambda item=item: make(item)) for item in items)  # type: ignore[misc]
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[_In, Future[_Out]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(make, item)))
                if len(waiting) > workers:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _result(made: tuple[_In, Future[_Out]]) -> tuple[_In, Callable[[], _Out]]:
    return made[0], made[1].result
