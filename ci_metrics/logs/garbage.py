"""Python's garbage collector, kept from looking at a log's own objects while it is read.

What belongs here: the collector's threshold while an extraction runs. Does not: anything about logs.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Objects between two looks of the collector while a log is read (Python's default: 700 to 2,000).
OBJECTS = 100_000

_lock = threading.Lock()
_inside = 0
_before: tuple[int, int, int] = (0, 0, 0)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect more rarely inside, whatever threads are inside too.

    A log makes hundreds of thousands of small objects, none of which refer to each other in circles; to look for circles among them
    took a twentieth of an extraction's time.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = gc.get_threshold()
            if 0 < _before[0] < OBJECTS:
                gc.set_threshold(OBJECTS, *_before[1:])
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                gc.set_threshold(*_before)
