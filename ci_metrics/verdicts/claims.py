"""Claims: a question that one process works on is left to it by the others, as long as it lives.

What belongs here: taking, renewing and giving back. Does not: what is found out (`ask.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ci_metrics.errors import CiMetricsError
from ci_metrics.verdicts.budget import process_name
from ci_metrics.verdicts.reuse import VerdictStore

_log = logging.getLogger(__name__)

# A claim is renewed as long as its process lives: one that was killed gives way after a minute.
_CLAIM_SECONDS = 60.0
RENEW_EVERY_SECONDS = 20.0


class Claims:
    """One process's claims on verdicts. Without a store each one is
    granted: nobody else could know.
    """

    def __init__(self, store: VerdictStore | None) -> None:
        """`store` is where the others look."""
        self._store = store
        self._held: set[str] = set()
        self._lock = threading.Lock()  # so that no claim is renewed after it was given back
        self.owner = process_name()

    @contextmanager
    def claimed(self, key: str) -> Iterator[bool]:
        """Hold the claim on a verdict while the block runs; False when another process holds it."""
        store = self._store
        if store is None:
            yield True
            return
        if not store.claim(key, self.owner, _CLAIM_SECONDS):
            yield False
            return
        with self._lock:
            self._held.add(key)
        try:
            yield True
        finally:
            with self._lock:
                self._held.discard(key)
                store.release(key, self.owner)

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the claims held, in the background, until the block ends."""
        if self._store is None:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(self._store, done), name="claims", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _renew_until(self, store: VerdictStore, done: threading.Event) -> None:
        while not done.wait(RENEW_EVERY_SECONDS):
            for key in tuple(self._held):
                with self._lock:
                    if key not in self._held:
                        continue
                    try:
                        store.claim(key, self.owner, _CLAIM_SECONDS)
                    except CiMetricsError as error:
                        _log.warning("⚠️ The claim on %s could not be renewed: %s", key, error)
