"""The next batches, made by a thread while the present one is used."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1


class _End:
    """Told at the end: what the producer raised, if anything."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order; up to `depth` of them are made ahead by a thread.

    What the producer raises is raised here, at its place in the order, with the producer's traceback. The
    thread ends when the last item is taken, and when this iterator is closed or given up.
    """
    if depth < 1:
        yield from items
        return
    worker = _Worker(items, depth)
    worker.thread.start()
    try:
        yield from worker.take()
    finally:
        worker.close()


class _Worker(Generic[T]):
    def __init__(self, items: Iterable[T], depth: int) -> None:
        self.items = items
        self.queue: Queue[T | _End] = Queue(depth)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="netdsl-prefetch", daemon=True)

    def take(self) -> Iterator[T]:
        while True:
            item = self.queue.get()
            if not isinstance(item, _End):
                yield item
                continue
            if item.error is not None:
                raise item.error
            return

    def close(self) -> None:
        """Stop the producer and wait for it."""
        self.stopping.set()
        while True:
            try:
                self.queue.get_nowait()
            except Empty:
                break
        self.thread.join()

    def _run(self) -> None:
        end = _End()
        iterator = iter(self.items)
        try:
            for item in iterator:
                if not self._put(item):
                    break
        except BaseException as error:  # all of it belongs to the consumer
            end = _End(error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        self._put(end)

    def _put(self, item: T | _End) -> bool:
        """Whether the item was put before the consumer gave up."""
        while not self.stopping.is_set():
            try:
                self.queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False
