"""Third step of a verdict's way: a model answers what is left to it.

What belongs here: one question by one process, several at once, keeping each answer as soon as it
is there, leaving what can wait to a message batch. Does not: which questions are asked
(`decide.py`), the tries on one question and their money (`model_tries.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import TypeGuard

from ci_metrics.errors import CiMetricsError
from ci_metrics.models import Usage
from ci_metrics.settings import Settings
from ci_metrics.verdicts.batch_questions import deferred, note_waiting
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.claims import Claims
from ci_metrics.verdicts.decide import DOUBTED, DecidedBy, Decision, decided_by
from ci_metrics.verdicts.model_tries import Asker
from ci_metrics.verdicts.reuse import StoredVerdict, VerdictStore
from ci_metrics.verdicts.trust import doubted

_log = logging.getLogger(__name__)

# Another process's answer is looked for so often, and waited for so long: a claim lasts as long as
# its process lives, and no process asks about one error for ten minutes.
_LOOK_EVERY_SECONDS = 1.0
_WAIT_SECONDS = 600.0

#: Questions asked at once at most, and one for so many requests a minute: more would
#: only wait for each other.
_MOST_WORKERS, _RPM_A_WORKER = 32, 10

#: So many questions go out one after the other until one is answered: it fills the
#: prompt cache for the rest.
_ALONE = 3

_DECIDED: dict[str, DecidedBy] = {"answered": "asked", "unproven": "rules", "pending": "pending", "failed": "failed"}


class Asking:
    """Asks one model, for one process."""

    def __init__(
        self,
        *,
        asker: Asker,
        store: VerdictStore | None,
        batches: Batches | None,
        settings: Settings,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`batches`: those under way; None where nothing may wait."""
        self._asker, self._store, self._batches, self._settings = asker, store, batches, settings
        self._workers = min(_MOST_WORKERS, max(4, settings.max_rpm // _RPM_A_WORKER))
        self._clock, self._sleep = clock, sleep
        self._claims = Claims(store)
        self._lock = threading.Lock()
        self.paid_twice = 0

    @property
    def calls(self) -> int:
        """Calls of the model so far, by this process."""
        return self._asker.calls

    @property
    def usage(self) -> Usage:
        """What they cost."""
        return self._asker.usage

    def ask(self, decisions: Sequence[Decision], *, defer: bool) -> list[Decision]:
        """The decisions, with those that were to be asked decided as far as
        money and the endpoint allow.

        `defer`: what can wait goes into a message batch. Raises what the store
        raises when it cannot read.
        """
        decided = [decision for decision in decisions if decision.by != "ask"] + self._answers(decisions, defer=defer)
        if self._batches is not None:
            note_waiting(decided, self._batches)
        return decided

    def _answers(self, decisions: Sequence[Decision], *, defer: bool) -> list[Decision]:
        asked = [decision for decision in decisions if decision.by == "ask"]
        if not asked:
            return []
        self._asker.start_pass()
        if self._batches is not None:
            seen = {decision.question.key: decision.seen for decision in asked}
            answered = lambda keys: self._answered_since(keys, seen)  # noqa: E731
            asked = deferred(asked, self._batches, self._asker, submit=defer, answered=answered)
        with self._claims.renewing():
            now = self._all([decision for decision in asked if decision.by == "ask"])
        return [*(decision for decision in asked if decision.by != "ask"), *now]

    def _all(self, decisions: Sequence[Decision]) -> list[Decision]:
        answers: list[list[Decision]] = []
        for decision in decisions[:_ALONE]:
            answers.append(self._one(decision))
            if any(answer.calls for answer in answers[-1]):
                break
        rest = decisions[len(answers) :]
        if rest:
            with ThreadPoolExecutor(min(self._workers, len(rest)), thread_name_prefix="ask") as pool:
                answers += pool.map(self._one, rest)
        elsewhere = [decision for decision, answer in zip(decisions, answers, strict=True) if not answer]
        return [*chain.from_iterable(answers), *self._waited_for(elsewhere)]

    def _one(self, decision: Decision) -> list[Decision]:
        """One question's answer, apart for the failure asked about where it is doubted; none
        when another process is asking.
        """
        question = decision.question
        with self._claims.claimed(question.key) as ours:
            if not ours:
                return []
            stored = self._stored(question.key)
            if _news(stored, seen=decision.seen):
                return [decided_by(stored, question)]
            answer = self._answered(replace(decision, seen=stored))
            others = question.others if answer.doubted else None
            if others is None or not others.primary:
                return [answer]
            second = self._answered(Decision(question=others, by="ask", seen=self._stored(question.key)))
            if second.by in ("pending", "failed"):
                second = replace(second, by="rules", why=DOUBTED)
            return [replace(answer, question=question.alone), second]

    def _answered_since(self, keys: Collection[str], seen: Mapping[str, StoredVerdict | None]) -> list[str]:
        found = self._store.get(list(keys)) if self._store is not None else {}
        return [key for key in keys if _news(found.get(key), seen=seen[key])]

    def _stored(self, key: str) -> StoredVerdict | None:
        return self._store.get([key]).get(key) if self._store is not None else None

    def _answered(self, decision: Decision) -> Decision:
        """What asking the model came to, kept."""
        question, seen = decision.question, decision.seen
        asked = self._asker.ask(question.lead.request, question.lead.rules, first=decision.first)
        usage = asked.usage
        if seen is not None and asked.outcome in ("answered", "unproven"):
            usage += seen.in_vain
        rules = question.lead.rules
        verdict = asked.verdict and replace(
            asked.verdict,
            usage=usage,
            fingerprint=rules.fingerprint,
            classifier_version=rules.classifier_version,
            origin=str(question.origin),
        )
        decided = replace(
            decision,
            by=_DECIDED[asked.outcome],
            verdict=verdict,
            why=asked.why,
            usage=usage,
            calls=asked.calls,
            doubted=verdict is not None
            and doubted(
                verdict,
                rules,
                addressed=asked.addressed,
                sure=self._settings.low_confidence,
                confirmed_by=seen.sample_beside(question.lead.request.job_id) if seen is not None else None,
            ),
        )
        if decided.calls and decided.by in ("asked", "rules"):
            self._keep(decided)
        return decided

    def _keep(self, decision: Decision) -> None:
        """Write what was paid for at once: an interrupted hour finds it again."""
        if self._store is None:
            return
        question = decision.question
        now = self._stored(question.key)
        if _news(now, seen=decision.seen):
            with self._lock:
                self.paid_twice += 1
        kept = question.stored(
            decision.verdict or replace(question.lead.rules, detail=decision.why, usage=decision.usage),
            now=self._clock(),
            threshold=self._settings.confidence_threshold,
            before=now,
            calls=decision.calls,
            owner=self._claims.owner,
            doubted=decision.doubted,
        )
        try:
            self._store.put([kept])
        except CiMetricsError as error:
            # The verdict still goes into this hour's documents; only its reuse is lost.
            _log.warning("⚠️ The verdict %s could not be kept: %s", question.key, error)

    def _waited_for(self, decisions: list[Decision]) -> list[Decision]:
        """What other processes find out; what they gave up is asked here."""
        decided: list[Decision] = []
        waited = 0.0
        while decisions and self._store is not None and waited <= _WAIT_SECONDS:
            found = self._store.get([decision.question.key for decision in decisions])
            left = []
            for decision in decisions:
                stored = found.get(decision.question.key)
                news = [decided_by(stored, decision.question)] if _news(stored, seen=decision.seen) else []
                answers = news or self._one(decision)
                decided += answers
                if not answers:
                    left.append(decision)
            decisions = left
            if decisions:
                self._sleep(_LOOK_EVERY_SECONDS)
                waited += _LOOK_EVERY_SECONDS
        why = "another process has been asking about it for too long"
        return decided + [replace(decision, by="pending", why=why) for decision in decisions]


def _news(now: StoredVerdict | None, *, seen: StoredVerdict | None) -> TypeGuard[StoredVerdict]:
    """Whether somebody has asked a model and written the answer since we last looked."""
    return now is not None and now.calls > 0 and (seen is None or replace(seen, partitions=now.partitions) != now)
