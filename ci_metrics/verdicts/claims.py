"""Asking about several errors at once, each by one process only, and keeping each verdict as soon as it is there.

What belongs here: claims, threads, writing to the store. Does not: which errors are asked about (`judge.py`), how one
is (`model_tries.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from ci_metrics.errors import CiMetricsError
from ci_metrics.models import Verdict
from ci_metrics.verdicts.budget import process_name
from ci_metrics.verdicts.groups import Decided, Group, take
from ci_metrics.verdicts.model_tries import Asked, Asker
from ci_metrics.verdicts.request import JudgeRequest
from ci_metrics.verdicts.reuse import MOST_PARTITIONS, StoredVerdict, VerdictStore, with_threshold

_log = logging.getLogger(__name__)

# A claim is renewed as long as its process lives: one that was killed gives way after a minute.
_CLAIM_SECONDS = 60.0
_RENEW_EVERY_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 600.0
_MOST_WORKERS = 32

_DECIDED: dict[str, Decided] = {
    "answered": "asked",
    "unproven": "rules",
    "pending": "pending",
    "failed": "failed",
}


class Payer:
    """Gets verdicts for groups from the model."""

    def __init__(
        self,
        *,
        asker: Asker,
        store: VerdictStore | None,
        threshold: float,
        max_rpm: int,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`threshold`: CONFIDENCE_THRESHOLD, below which a kept verdict holds its type as a guess."""
        self._asker, self._store, self._threshold = asker, store, threshold
        self._workers = min(_MOST_WORKERS, max(4, max_rpm // 10))
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._claims = threading.Lock()  # so that no claim is renewed after it was given back
        self.owner = process_name()
        self.paid_twice = 0

    def ask_all(self, groups: Sequence[Group], requests: Sequence[JudgeRequest], rules: Sequence[Verdict]) -> None:
        """Decide the groups, as far as money and the endpoint allow."""
        with self._renewing():
            self._ask_all(groups, requests, rules)

    def _ask_all(self, groups: Sequence[Group], requests: Sequence[JudgeRequest], rules: Sequence[Verdict]) -> None:
        elsewhere: list[Group] = []

        def one(group: Group) -> None:
            if not self._try(group, requests, rules[group.lead]):
                with self._lock:
                    elsewhere.append(group)

        queue = list(groups)
        while queue and not any(group.calls for group in groups):
            one(queue.pop(0))  # alone, so that it fills the prompt cache for the others
            if len(groups) - len(queue) >= 3:
                break
        if queue:
            with ThreadPoolExecutor(min(self._workers, len(queue)), thread_name_prefix="ask") as pool:
                list(pool.map(one, queue))
        self._wait_for(elsewhere, requests, rules)

    def _try(self, group: Group, requests: Sequence[JudgeRequest], rules: Verdict) -> bool:
        """Ask about one error unless another process is doing so; whether it is decided now."""
        store, request = self._store, requests[group.lead]
        if store is None:
            self._ask(group, request, rules)
            return True
        if not store.claim(group.key, self.owner, _CLAIM_SECONDS):
            return False
        self._held.add(group.key)
        try:
            stored = store.get([group.key]).get(group.key)
            if _news(stored, seen=group.stored):
                take(group, stored, requests)
                return True
            group.stored = stored
            asked = self._ask(group, request, rules)
            if asked.outcome in ("answered", "unproven"):
                self._keep(group, request, rules, seen=stored)
        finally:
            with self._claims:
                self._held.discard(group.key)
                store.release(group.key, self.owner)
        return True

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Renew the claims held, in the background, until the block ends."""
        store = self._store
        if store is None:
            yield
            return
        done = threading.Event()

        def renew() -> None:
            while not done.wait(_RENEW_EVERY_SECONDS):
                for key in tuple(self._held):
                    with self._claims:
                        if key in self._held:
                            self._renew(store, key)

        thread = threading.Thread(target=renew, name="claims", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _renew(self, store: VerdictStore, key: str) -> None:
        try:
            store.claim(key, self.owner, _CLAIM_SECONDS)
        except CiMetricsError as error:
            _log.warning("⚠️ The claim on %s could not be renewed: %s", key, error)

    def _ask(self, group: Group, request: JudgeRequest, rules: Verdict) -> Asked:
        asked = self._asker.ask(request, rules, first=group.first)
        group.decided = _DECIDED[asked.outcome]
        group.why, group.usage, group.calls = asked.why, asked.usage, asked.calls
        if group.stored is not None and asked.outcome in ("answered", "unproven"):
            group.usage += group.stored.in_vain
        if asked.verdict is not None:
            group.verdict = replace(
                asked.verdict,
                usage=group.usage,
                fingerprint=rules.fingerprint,
                classifier_version=rules.classifier_version,
            )
        return asked

    def _keep(self, group: Group, request: JudgeRequest, rules: Verdict, *, seen: StoredVerdict | None) -> None:
        """Write what was paid for at once: an interrupted hour finds it again."""
        if self._store is None:
            return
        now = self._store.get([group.key]).get(group.key)
        if _news(now, seen=seen):
            with self._lock:
                self.paid_twice += 1
        verdict = group.verdict or replace(rules, detail=group.why, usage=group.usage)
        hours = {*(now.partitions if now else ()), *group.partitions}
        kept = StoredVerdict(
            key=group.key,
            verdict=with_threshold(verdict, self._threshold),
            group=request.error.group if request.error else "",
            created_at=self._clock(),
            partitions=tuple(sorted(hours)[-MOST_PARTITIONS:]),
            calls=group.calls,
            owner=self.owner,
            job_id=request.job_id,
            repo=group.repo,
            sketch=group.sketch,
        )
        try:
            self._store.put([kept])
        except CiMetricsError as error:
            # The verdict still goes into this hour's documents; only its reuse is lost.
            _log.warning("⚠️ The verdict %s could not be kept: %s", group.key, error)

    def _wait_for(self, groups: list[Group], requests: Sequence[JudgeRequest], rules: Sequence[Verdict]) -> None:
        """Wait for verdicts that other processes are finding out; take over what they gave up."""
        store = self._store
        waited = 0.0
        while groups and store is not None and waited <= _WAIT_SECONDS:
            found = store.get([group.key for group in groups])
            left = []
            for group in groups:
                stored = found.get(group.key)
                if _news(stored, seen=group.stored):
                    take(group, stored, requests)
                elif not self._try(group, requests, rules[group.lead]):
                    left.append(group)
            groups = left
            if groups:
                self._sleep(_LOOK_EVERY_SECONDS)
                waited += _LOOK_EVERY_SECONDS
        for group in groups:
            group.decided, group.why = "pending", "another process has been asking about it for too long"


def _news(now: StoredVerdict | None, *, seen: StoredVerdict | None) -> TypeGuard[StoredVerdict]:
    """Whether somebody has asked a model and written the answer since we last looked."""
    return now is not None and now.calls > 0 and (seen is None or replace(seen, partitions=now.partitions) != now)
