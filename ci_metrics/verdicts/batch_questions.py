"""Leaving questions to message batches instead of asking them now.

What belongs here: decision -> batch question, and which decisions wait. Does not: batches
themselves (`batches.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ci_metrics.llm.batch_ledger import BatchAsk, BatchItem
from ci_metrics.llm.quotes import one_line, quotable_lines
from ci_metrics.verdicts.batches import Batches, Submitted
from ci_metrics.verdicts.decide import Decision
from ci_metrics.verdicts.judge_request import addressed, larger_extraction
from ci_metrics.verdicts.model_tries import Asker

_WAITS = "it waits for a message batch"


def deferred(
    decisions: Sequence[Decision],
    batches: Batches,
    asker: Asker,
    *,
    submit: bool,
    answered: Callable[[Collection[str]], Collection[str]],
) -> list[Decision]:
    """The decisions, pending where a batch will bring the answer; with `submit`, the
    others go into new batches.

    `answered`: of which of these keys another process has brought the verdict since they were
    decided; they stay as they are, and find it.
    """
    if not batches.available:
        return list(decisions)
    under_way = batches.waiting()
    asks = {
        decision.question.key: _ask(decision, asker)
        for decision in decisions
        if submit and decision.question.key not in under_way
    }
    submitted = batches.submit(list(asks.values()), answered) if asks else Submitted()
    under_way |= submitted.keys
    left = submit and batches.available
    return [_waiting(decision, under_way, submitted, left=left) for decision in decisions]


def _waiting(decision: Decision, under_way: set[str], submitted: Submitted, *, left: bool) -> Decision:
    if decision.question.key in under_way:
        return replace(decision, by="pending", why=_WAITS)
    if not left or decision.question.key in submitted.answered:
        return decision
    return replace(decision, by="pending", why=submitted.why)


def note_waiting(decisions: Sequence[Decision], batches: Batches) -> None:
    """Note which hours wait for which batches' verdicts, so that all of them are
    judged again when these come.
    """
    under_way = batches.waiting() if batches.available else set()
    waiting: dict[str, set[str]] = {}
    for decision in decisions:
        if decision.by == "pending" and decision.question.key in under_way:
            for partition in decision.question.partitions:
                waiting.setdefault(partition, set()).add(decision.question.key)
    batches.note_waiting({p for decision in decisions for p in decision.question.partitions}, waiting)


def _ask(decision: Decision, asker: Asker) -> BatchAsk:
    question = decision.question
    request = asker.masked(question.lead.request)
    extraction = request.extraction
    if decision.first is not None:
        extraction = larger_extraction(request, asker.larger_budget) or extraction
    prompt = asker.prompt(request, question.lead.rules, extraction)
    item = BatchItem(
        custom_id=hashlib.sha256(question.key.encode()).hexdigest()[:40],
        key=question.key,
        fingerprint=question.error.fingerprint,
        group=question.error.group,
        partitions=tuple(sorted(question.partitions)),
        version=question.version,
        system=hashlib.sha256(prompt.system.encode()).hexdigest()[:16],
        user=prompt.user,
        schema=prompt.schema,
        categories=prompt.categories,
        lines={number: one_line(text) for number, text in quotable_lines(extraction, request.error).items()},
        annotations=tuple((one_line(a.title), one_line(a.message)) for a in request.annotations),
        first=decision.first,
        job_id=request.job_id,
        origin=str(question.origin),
        rules=question.lead.rules,
        addressed=addressed(request, extraction),
        sketch=question.sketch,
    )
    return BatchAsk(item=item, prompt=prompt, usd=asker.estimate(prompt, asker.client.model, batch=True))
