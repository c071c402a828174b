"""Whether a model's reply is a verdict that stands, and which of two is the better one.

What belongs here: reply -> verdict, or the problem with it. Does not: asking again
(`verdicts/model_tries.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.llm.client_protocol import ModelReply
from ci_metrics.llm.prompt import NEEDS_HISTORY
from ci_metrics.llm.quotes import quotes_annotation, valid_evidence
from ci_metrics.llm.schema import NO_CAUSE, UNKNOWN, AnswerProblemError, read_answer
from ci_metrics.models import Annotation, ErrorState, Verdict


def check_reply(
    reply: ModelReply,
    *,
    categories: Sequence[str],
    taxonomy: Taxonomy,
    lines: dict[int, str],
    annotations: Sequence[Annotation],
    last: bool = False,
) -> Verdict:
    """The verdict in a reply, with proved quotes. Raises AnswerProblemError
    naming what is wrong with it.

    `last`: nothing will be asked again, so that "flaky" said without history becomes
    unknown instead of a problem.
    """
    if reply.stop != "end":
        raise AnswerProblemError(reply.stop, reply.text)
    answer = read_answer(reply.text, taxonomy.names)
    flaky_alone = answer.error_type not in (UNKNOWN, NO_CAUSE, *categories)
    if flaky_alone and not last:
        raise AnswerProblemError("foreign_category", f"{answer.error_type} needs history")
    evidence = valid_evidence(answer.quotes, lines)
    state: ErrorState = "classified"
    if answer.error_type == UNKNOWN or flaky_alone:
        state = "unknown"
    elif answer.error_type == NO_CAUSE:
        state = "no_error_found"
    if state != "unknown" and not evidence and not quotes_annotation(answer.quotes, annotations):
        raise AnswerProblemError("no_valid_quote", str([(q.line, q.text[:60]) for q in answer.quotes[:3]]))
    return Verdict(
        state=state,
        error_type=answer.error_type if state == "classified" else None,
        confidence=answer.confidence,
        summary=answer.summary,
        evidence=evidence,
        suggested_fix=answer.suggested_fix,
        source="model",
        model=reply.model,
        detail=f"the model said {NEEDS_HISTORY}, which needs history" if flaky_alone else "",
    )


def better(first: Verdict | None, second: Verdict) -> Verdict:
    """The better of two answers on the same failure: one that knows over "unknown", then the
    surer, then the later one.
    """
    if first is None:
        return second
    rank = (first.state != "unknown", first.confidence), (second.state != "unknown", second.confidence)
    return first if rank[0] > rank[1] else second
