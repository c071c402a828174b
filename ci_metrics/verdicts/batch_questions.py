"""Putting distinct errors into message batches instead of asking about them now.

What belongs here: group -> batch question, and which groups wait. Does not: batches themselves (`batches.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ci_metrics.llm.batch_ledger import BatchAsk, BatchItem, pack_verdict
from ci_metrics.llm.quotes import lines_of
from ci_metrics.models import Verdict
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.groups import Group
from ci_metrics.verdicts.model_tries import Asker
from ci_metrics.verdicts.request import JudgeRequest, larger_extraction


def defer(
    groups: Sequence[Group],
    requests: Sequence[JudgeRequest],
    rules: Sequence[Verdict],
    versions: Sequence[str],
    batches: Batches,
    asker: Asker,
    *,
    submit: bool,
) -> list[Group]:
    """Leave pending what a batch will bring, and, with `submit`, put the rest into batches; those left to ask now."""
    under_way = batches.waiting() if batches.available else set()
    left: list[Group] = []
    asks: dict[str, tuple[Group, BatchAsk]] = {}
    for group in groups:
        if group.key in under_way:
            group.decided, group.why = "pending", "it waits for a message batch"
        elif submit and batches.available:
            lead = group.lead
            asks[group.key] = (group, _ask(group, requests[lead], rules[lead], versions[lead], asker))
        else:
            left.append(group)
    if asks:
        submitted = batches.submit([ask for _, ask in asks.values()])
        for key, (group, _) in asks.items():
            if key not in submitted.keys and not batches.available:
                left.append(group)
                continue
            group.decided = "pending"
            group.why = "it waits for a message batch" if key in submitted.keys else submitted.why
    return left


def note_waiting(groups: Sequence[Group], batches: Batches) -> None:
    """Note which hours wait for which batches' verdicts, so that all of them are judged again when these come."""
    under_way = batches.waiting() if batches.available else set()
    waiting: dict[str, set[str]] = {}
    for group in groups:
        if group.decided == "pending" and group.key in under_way:
            for partition in group.partitions:
                waiting.setdefault(partition, set()).add(group.key)
    batches.note_waiting({partition for group in groups for partition in group.partitions}, waiting)


def _ask(group: Group, request: JudgeRequest, rules: Verdict, version: str, asker: Asker) -> BatchAsk:
    assert request.error is not None
    extraction = request.extraction
    if group.first is not None:
        extraction = larger_extraction(request, asker.larger_budget) or extraction
    prompt = asker.prompt(request, rules, extraction)
    item = BatchItem(
        custom_id=hashlib.sha256(group.key.encode()).hexdigest()[:40],
        key=group.key,
        fingerprint=request.error.fingerprint,
        group=request.error.group,
        partitions=tuple(sorted(group.partitions)),
        version=version,
        system=hashlib.sha256(prompt.system.encode()).hexdigest()[:16],
        user=prompt.user,
        schema=prompt.schema,
        categories=prompt.categories,
        lines=lines_of(extraction, request.error),
        annotations=tuple((a.title, a.message) for a in request.annotations),
        first=pack_verdict(group.first) if group.first else None,
        job_id=request.job_id,
        repo=group.repo,
        sketch=group.sketch,
    )
    return BatchAsk(item=item, prompt=prompt, usd=asker.estimate(prompt, asker.client.model, batch=True))
