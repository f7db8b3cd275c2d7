"""Prefetching: a thread prepares the next batches while the current one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

THREAD = "netdsl-prefetch"
_END: Any = object()


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order; a thread prepares up to `depth` of them ahead.

    An exception of the producer is raised here in order, with the producer's traceback. The thread ends, and
    the producer is closed, after the last item and when this iterator is closed.
    """
    if depth < 1:
        yield from items
        return
    from concurrent.futures import ThreadPoolExecutor  # a run of one batch reads nothing ahead

    source = iter(items)
    with ThreadPoolExecutor(1, THREAD) as thread:
        waiting = deque(thread.submit(next, source, _END) for _ in range(depth))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, source, _END))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)
            if hasattr(source, "close"):
                source.close()
