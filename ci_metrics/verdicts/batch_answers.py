"""A batch's answer as the verdict that is kept.

What belongs here: one question, its answer and what was known before in, one stored verdict out; no
I/O. Does not: collecting (`batches.py`), what makes an answer good (`llm/answers.py`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.llm.answers import better, check_reply
from ci_metrics.llm.batch_ledger import BatchItem
from ci_metrics.llm.client_protocol import ModelReply
from ci_metrics.llm.schema import AnswerProblemError
from ci_metrics.models import Annotation, Usage, Verdict
from ci_metrics.settings import Settings
from ci_metrics.verdicts.decide import IN_A_BATCH
from ci_metrics.verdicts.reuse import MOST_PARTITIONS, StoredVerdict, with_threshold
from ci_metrics.verdicts.trust import doubted

_log = logging.getLogger(__name__)


def kept_verdict(
    item: BatchItem,
    reply: ModelReply,
    *,
    stored: StoredVerdict | None,
    taxonomy: Taxonomy,
    settings: Settings,
    now: datetime,
) -> tuple[StoredVerdict, bool]:
    """The verdict to keep for `item` (the better of this answer and an earlier one, with what both
    cost); whether the answer was of use.

    `stored` is what the index holds under the key: its hours stay, and money spent in vain is
    carried over. An answer that cannot be used, without an earlier one, is kept in state
    `llm_failed` for its price alone.
    """
    first = item.first
    spent = reply.usage
    spent += first.usage if first else stored.in_vain if stored else Usage()
    useful = True
    try:
        verdict = better(
            first,
            check_reply(
                reply,
                categories=item.categories,
                taxonomy=taxonomy,
                lines=item.lines,
                annotations=[Annotation(level="", title=t, message=m) for t, m in item.annotations],
            ),
        )
    except AnswerProblemError as problem:
        useful = False
        _log.info("The batch's answer for %s cannot be used: %s", item.key, problem)
        verdict = first or Verdict(
            state="llm_failed", error_type=None, confidence=0.0, summary="", source="model", detail=str(problem)
        )
    failed = verdict.state == "llm_failed"
    verdict = replace(
        verdict, usage=spent, fingerprint=item.fingerprint, classifier_version=item.version, origin=item.origin
    )
    apart = not failed and doubted(
        verdict,
        item.rules or verdict,
        addressed=item.addressed,
        sure=settings.low_confidence,
        confirmed_by=stored.sample_beside(item.job_id) if stored else None,
    )
    hours = {*(stored.partitions if stored else ()), *item.partitions}
    kept = StoredVerdict(
        key=item.key,
        verdict=with_threshold(verdict, settings.confidence_threshold),
        group=item.group,
        created_at=now,
        partitions=tuple(sorted(hours)[-MOST_PARTITIONS:]),
        calls=0 if failed else 2 if first else 1,
        owner=IN_A_BATCH,
        job_id=item.job_id,
        doubted=apart,
        sketch=item.sketch,
    )
    return kept, useful
