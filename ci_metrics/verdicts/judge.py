"""The order of decision for each distinct error: a human, a stored verdict, the model, the rules.

What belongs here: who decides what. Does not: how a model is asked (`model_tries.py`, `claims.py`), what may be reused
(`reuse.py`), any index.

    human verdict -> stored verdict, same version, fresh and sure enough -> model (when on, within budget) -> rules

A failing model costs no document: the rules' verdict is used where there is one (its `detail` begins with
MODEL_FAILED, and `unsettled` says that it wants another try), else the state is `llm_failed`.
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
from ci_metrics.verdicts import batch_answers
from ci_metrics.verdicts.batch_questions import defer, note_waiting
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.budget import Budget, utc_now
from ci_metrics.verdicts.claims import Payer
from ci_metrics.verdicts.groups import MODEL_FAILED, Group, group_failures, member_verdict, take
from ci_metrics.verdicts.model_tries import Asker
from ci_metrics.verdicts.request import JudgeRequest
from ci_metrics.verdicts.reuse import (
    MOST_PARTITIONS,
    StoredVerdict,
    VerdictStore,
    reusable,
    same_story,
    with_threshold,
)
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


@dataclass(slots=True)
class JudgeStats:
    """What one Judge has done so far, for metadata: distinct errors by who decided them; calls, tokens, dollars."""

    failures: int = 0
    distinct: int = 0
    human: int = 0
    reused: int = 0
    asked: int = 0
    rules: int = 0
    pending: int = 0
    failed: int = 0
    paid_twice: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What judging would ask a model: for a dry run. Tokens and dollars are estimates of first questions."""

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
    """Verdicts for failures, each distinct error decided once."""

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

        `redact` masks secrets in a text and counts them. What an extraction holds is masked already; annotations and
        names are not, and annotations are not sent at all without it.

        Raises SettingsError when MAX_USD_PER_HOUR is set and a model has no price: such a limit could not be kept.
        """
        self._settings, self._taxonomy, self._rules, self._store = settings, taxonomy, rules, store
        self._clock, self._batches, self._redact = clock, batches, redact
        self._prompt_version = prompt_version(taxonomy) if model is not None else ""
        self._model_name = model.model if model is not None else ""
        self._asker: Asker | None = None
        self._payer: Payer | None = None
        self.stats = JudgeStats()
        if model is not None:
            _check_prices(model, settings)
            spent, note = (store.spent_since, store.note_spent) if store is not None else (None, None)
            if batches is not None:
                budget = budget or batches.budget
            budget = budget or Budget(settings.max_usd_per_hour, clock=clock, spent_elsewhere=spent, note=note)
            self._asker = Asker(client=model, settings=settings, taxonomy=taxonomy, budget=budget)
            self._payer = Payer(
                asker=self._asker,
                store=store,
                threshold=settings.confidence_threshold,
                max_rpm=settings.max_rpm,
                clock=clock,
                sleep=sleep,
            )

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

        `defer_to_batches`: what would be asked now goes into a message batch and is pending, where the endpoint has
        batches. Raises what the store raises when stored verdicts cannot be read: without them everything would be
        paid for again.
        """
        rules = self._by_rules(requests)
        groups = self._looked_up(requests)
        asking = [g for g in groups if self._asks(g, requests[g.lead], rules[g.lead])]
        if asking and self._asker is not None and self._payer is not None:
            self._asker.start_pass()
            requests = list(requests)
            for group in asking:
                requests[group.lead] = requests[group.lead].redacted(self._redact)
            if self._batches is not None:
                versions = [self.version_for(r.extraction) for r in requests]
                asking = defer(asking, requests, rules, versions, self._batches, self._asker, submit=defer_to_batches)
            self._payer.ask_all(asking, requests, rules)
        if self._batches is not None:
            note_waiting(groups, self._batches)
        self._keep(groups, requests, rules)
        self._count(requests, groups)
        verdicts = [with_threshold(verdict, self._settings.confidence_threshold) for verdict in rules]
        for group in groups:
            for i in group.members:
                made = member_verdict(group, i, requests[i], rules[i], self._settings.confidence_threshold)
                verdicts[i] = replace(made, classifier_version=rules[i].classifier_version)
        return verdicts

    def plan(self, requests: Sequence[JudgeRequest]) -> Plan:
        """What `judge` would ask a model about these failures, without asking or writing anything."""
        rules = self._by_rules(requests)
        groups = self._looked_up(requests)
        asking = [g for g in groups if self._asks(g, requests[g.lead], rules[g.lead])]
        tokens, usd = 0, 0.0
        for count, group in enumerate(asking):
            if self._asker is not None:
                lead = requests[group.lead]
                prompt = self._asker.prompt(lead, rules[group.lead], lead.extraction)
                tokens += prompt.estimated_tokens
                batch = self._batches is not None and self._batches.available
                usd += self._asker.estimate(prompt, self._model_name, batch=batch, following=count > 0)
        return Plan(distinct=len(groups), to_ask=len(asking), tokens=tokens, usd=usd)

    def _by_rules(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        verdicts = []
        for request in requests:
            verdict = self._rules.judge(request.extraction, request.error, request.job)
            fingerprint = request.error.fingerprint if request.error else verdict.fingerprint
            version = self.version_for(request.extraction)
            verdicts.append(replace(verdict, fingerprint=fingerprint, classifier_version=version))
        return verdicts

    def _looked_up(self, requests: Sequence[JudgeRequest]) -> list[Group]:
        groups = group_failures(requests, self.version_for)
        if self._store is None or not groups:
            return groups
        found = self._store.get([key for g in groups for key in (g.label, g.key) if key])
        now = self._clock()
        for group in groups:
            human, group.stored = found.get(group.label), found.get(group.key)
            stored = group.stored
            if human is not None:
                group.decided, group.verdict = "human", replace(human.verdict, source="human")
            elif stored is None or group.fresh:
                continue
            elif reusable(stored, partitions=group.partitions, now=now, settings=self._settings):
                sure = stored.verdict.confidence >= self._settings.low_confidence
                if (
                    stored.owner == batch_answers.OWNER
                    and stored.calls == 1
                    and not sure
                    and requests[group.lead].larger
                ):
                    group.first = stored.verdict  # a batch asks once; the question with more context is still due
                else:
                    take(group, stored, requests)
        self._look_elsewhere(groups, requests, now)
        return groups

    def _look_elsewhere(self, groups: Sequence[Group], requests: Sequence[JudgeRequest], now: datetime) -> None:
        """Take other repositories' verdicts on nearly equal excerpts, where the fingerprint alone is not enough for that."""
        unseen = [g for g in groups if g.open and g.stored is None and not g.fresh and g.sketch]
        if self._store is None or self._asker is None or not unseen:
            return
        versions: dict[str, list[Group]] = {}
        for group in unseen:
            versions.setdefault(group.version, []).append(group)
        for version, those in versions.items():
            kept: dict[str, list[StoredVerdict]] = {}
            for stored in self._store.of_fingerprints(sorted({group.fingerprint for group in those}), version):
                kept.setdefault(stored.verdict.fingerprint, []).append(stored)
            for group in those:
                for stored in kept.get(group.fingerprint, []):
                    fits = same_story(stored, repo=group.repo, sketch=group.sketch)
                    if fits and reusable(stored, partitions=group.partitions, now=now, settings=self._settings):
                        take(group, stored, requests)
                        break

    def _asks(self, group: Group, lead: JudgeRequest, rules: Verdict) -> bool:
        if self._asker is None or not group.open or rules.state in ("no_error_found", "no_log"):
            return False
        sure = rules.state == "classified" and rules.confidence >= self._settings.low_confidence
        return self._settings.model_policy == "all" or not sure or lead.fresh

    def _keep(self, groups: Sequence[Group], requests: Sequence[JudgeRequest], rules: Sequence[Verdict]) -> None:
        """Keep the rules' verdicts that are not there yet, and which hours a reused one served."""
        if self._store is None:
            return
        new, served = [], {}
        for group in groups:
            error = requests[group.lead].error
            if group.decided == "rules" and not group.calls and group.stored is None and error is not None:
                kept = with_threshold(rules[group.lead], self._settings.confidence_threshold)
                hours = tuple(sorted(group.partitions))
                new.append(
                    StoredVerdict(
                        key=group.key,
                        verdict=kept,
                        group=error.group,
                        created_at=self._clock(),
                        partitions=hours,
                        repo=group.repo,
                        sketch=group.sketch,
                    )
                )
            elif group.decided == "reused" and group.stored is not None:
                hours = tuple(sorted({*group.stored.partitions, *group.partitions})[-MOST_PARTITIONS:])
                if hours != group.stored.partitions:
                    served[group.stored.key] = hours
        try:
            if new:
                self._store.put(new)
            if served:
                self._store.serve(served)
        except CiMetricsError as error:
            _log.warning("⚠️ %d verdicts could not be kept: %s", len(new) + len(served), error)

    def _count(self, requests: Sequence[JudgeRequest], groups: Sequence[Group]) -> None:
        stats = self.stats
        stats.failures += len(requests)
        stats.distinct += len(groups)
        for group in groups:
            setattr(stats, group.decided, getattr(stats, group.decided) + 1)
        if self._asker is not None and self._payer is not None:
            stats.calls, stats.usage, stats.paid_twice = self._asker.calls, self._asker.usage, self._payer.paid_twice


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
