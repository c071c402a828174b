"""Verdicts for failures, each distinct error decided once: look up, decide, ask, settle.

What belongs here: the order of the four steps, and what they are done with. Does not: any step
(`lookup.py`, `decide.py`, `ask.py`, `settle.py`), any index.

A failing model costs no document: the rules' verdict is used where there is one (its
`detail` begins with MODEL_FAILED, and `unsettled` says that it wants another try), else
the state is `llm_failed`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.errors import CiMetricsError, SettingsError
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.prompt import prompt_version
from ci_metrics.models import ExtractedError, Extraction, Job, Usage, Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.ask import Asking
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.budget import Budget, utc_now
from ci_metrics.verdicts.decide import Decision, decide
from ci_metrics.verdicts.judge_request import JudgeRequest
from ci_metrics.verdicts.lookup import look_up
from ci_metrics.verdicts.model_tries import Asker
from ci_metrics.verdicts.question import FailureCase, questions_of
from ci_metrics.verdicts.reuse import VerdictStore
from ci_metrics.verdicts.settle import MODEL_FAILED, hours_served, rules_to_keep, settle
from ci_metrics.verdicts.versions import classifier_version, embedded_version

__all__ = ["MODEL_FAILED", "Judge", "JudgeRequest", "JudgeStats", "Plan", "model_failed", "unsettled"]

_log = logging.getLogger(__name__)


class Rules(Protocol):
    """The embedded classifier."""

    @property
    def version(self) -> str:
        """Of all that decides what it says."""

    def judge(self, extraction: Extraction, error: ExtractedError | None = None, job: Job | None = None) -> Verdict:
        """A verdict without any model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeStats:
    """What one Judge has asked of a model so far, and what that cost."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    paid_twice: int = 0  # verdicts that another process had paid for meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What judging would ask a model: for a dry run. Tokens and dollars are
    estimates of first questions.
    """

    distinct: int
    to_ask: int
    tokens: int
    usd: float


def unsettled(verdict: Verdict) -> bool:
    """Whether a later pass should try again: pending, or the model failed."""
    return verdict.state == "pending" or model_failed(verdict)


def model_failed(verdict: Verdict) -> bool:
    """Whether the model was asked in vain, also where the rules have answered instead."""
    return verdict.state == "llm_failed" or verdict.detail.startswith(MODEL_FAILED)


class Judge:
    """Gives each failure a verdict."""

    def __init__(
        self,
        *,
        settings: Settings,
        taxonomy: Taxonomy,
        rules: Rules,
        store: VerdictStore | None,
        model: ModelClient | None,
        clock: Callable[[], datetime] = utc_now,
        budget: Budget | None = None,
        batches: Batches | None = None,
        redact: Callable[[str], tuple[str, int]] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`batches`: the message batches under way, for `judge(..., defer_to_batches=True)`.

        `redact` masks secrets in a text and counts them. What an extraction holds is masked
        already; annotations and names are not, and annotations are not sent at all without it.

        Raises SettingsError when MAX_USD_PER_HOUR is set and a model has no price: such
        a limit could not be kept.
        """
        self._settings, self._taxonomy, self._rules, self._store = settings, taxonomy, rules, store
        self._clock = clock
        self._prompt_version = prompt_version(taxonomy) if model is not None else ""
        self._model_name = model.model if model is not None else ""
        self._asker: Asker | None = None
        self._asking: Asking | None = None
        self._batches_cheaper = batches is not None and batches.available
        if model is None:
            return
        _check_prices(model, settings)
        if budget is None and batches is not None:
            budget = batches.budget
        if budget is None:
            spent, note = (store.spent_since, store.note_spent) if store is not None else (None, None)
            budget = Budget(settings.max_usd_per_hour, clock=clock, spent_elsewhere=spent, note=note)
        self._asker = Asker(client=model, settings=settings, taxonomy=taxonomy, budget=budget, redact=redact)
        self._asking = Asking(
            asker=self._asker,
            store=store,
            batches=batches,
            settings=settings,
            clock=clock,
            sleep=sleep,
        )

    @property
    def stats(self) -> JudgeStats:
        """What was asked so far."""
        asking = self._asking
        if asking is None:
            return JudgeStats()
        return JudgeStats(calls=asking.calls, usage=asking.usage, paid_twice=asking.paid_twice)

    def version_for(self, extraction: Extraction) -> str:
        """The classifier version of verdicts on this extraction."""
        return classifier_version(
            extractor=extraction.version,
            rules=embedded_version(self._rules.version, model=self._model_name),
            taxonomy=self._taxonomy.version,
            prompt=self._prompt_version,
            model=self._model_name,
        )

    def judge(self, requests: Sequence[JudgeRequest], *, defer_to_batches: bool = False) -> list[Verdict]:
        """One verdict a request, in the same order. Never raises for a failing model.

        `defer_to_batches`: what would be asked now goes into a message batch and is pending, where
        the endpoint has batches. Raises what the store raises when stored verdicts cannot be read:
        without them everything would be paid for again.
        """
        cases = [self._case(request) for request in requests]
        decisions = self._decided(cases)
        if self._asking is not None:
            decisions = self._asking.ask(decisions, defer=defer_to_batches)
        self._keep(decisions)
        return settle(cases, decisions, threshold=self._settings.confidence_threshold)

    def plan(self, requests: Sequence[JudgeRequest]) -> Plan:
        """What `judge` would ask a model about these failures, without
        asking or writing anything.
        """
        decisions = self._decided([self._case(request) for request in requests])
        questions = [decision.question for decision in decisions if decision.by == "ask"]
        tokens, usd = 0, 0.0
        for count, question in enumerate(questions):
            assert self._asker is not None  # else nothing were to ask
            request = question.lead.request
            prompt = self._asker.prompt(request, question.lead.rules, request.extraction)
            tokens += prompt.estimated_tokens
            usd += self._asker.estimate(prompt, self._model_name, batch=self._batches_cheaper, following=count > 0)
        return Plan(distinct=len(decisions), to_ask=len(questions), tokens=tokens, usd=usd)

    def _case(self, request: JudgeRequest) -> FailureCase:
        verdict = self._rules.judge(request.extraction, request.error, request.job)
        fingerprint = request.error.fingerprint if request.error else verdict.fingerprint
        version = self.version_for(request.extraction)
        return FailureCase(request=request, rules=replace(verdict, fingerprint=fingerprint, classifier_version=version))

    def _decided(self, cases: Sequence[FailureCase]) -> list[Decision]:
        model = self._asking is not None
        found = look_up(questions_of(cases), self._store, elsewhere=model)
        now = self._clock()
        return [decide(each, settings=self._settings, now=now, model=model) for each in found]

    def _keep(self, decisions: Sequence[Decision]) -> None:
        if self._store is None:
            return
        new = rules_to_keep(decisions, now=self._clock(), threshold=self._settings.confidence_threshold)
        served = hours_served(decisions)
        try:
            if new:
                self._store.put(new)
            if served:
                self._store.serve(served)
        except CiMetricsError as error:
            _log.warning("⚠️ %d verdicts could not be kept: %s", len(new) + len(served), error)


def _check_prices(model: ModelClient, settings: Settings) -> None:
    if settings.max_usd_per_hour is None:
        return
    for name in (model.model, settings.stronger_model):
        if name and model.prices.find(name) is None:
            raise SettingsError(
                "MAX_USD_PER_HOUR",
                f"set, while the price of {name} is not known",
                f'Give it in PRICES_FILE ([models."{name}"] with input and output, 0 for a free model), or set no limit',
            )
