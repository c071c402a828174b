"""The documents of the verdict index: one stored verdict per fingerprint and classifier version.

What belongs here: verdict -> document and back. Does not: jobs and steps, when a
verdict is stored or reused.
"""

from __future__ import annotations

from datetime import datetime

from ci_metrics.errors import ContractError
from ci_metrics.index.document_index import Document, present
from ci_metrics.index.error_fields import evidence_fields, spent, verdict_fields
from ci_metrics.index.times import iso
from ci_metrics.models import Evidence, ExtractedError, Usage, Verdict


def verdict_id(fingerprint: str, classifier_version: str) -> str:
    """`_id` of a verdict's document."""
    return f"{fingerprint}-{classifier_version}"


def verdict_document(
    verdict: Verdict,
    *,
    judged_at: datetime,
    error: ExtractedError | None = None,
    repo: str = "",
    job_id: int | None = None,
    user: str = "",
    note: str = "",
) -> Document:
    """One stored verdict. `error`, `repo` and `job_id`: where it was first met; `user` and
    `note`: when a person gave it.

    Raises ContractError when the verdict has no fingerprint or no classifier version:
    nothing could find it again.
    """
    if not verdict.fingerprint or not verdict.classifier_version:
        raise ContractError("a verdict without fingerprint and classifier version cannot be stored")
    body = {
        "@timestamp": iso(judged_at),
        "s_error_state": verdict.state,
        **verdict_fields(verdict.state, verdict),
        **_said_of_no_cause(verdict),
        **evidence_fields(error, verdict),
        **spent([verdict.usage]),
        "l_evidence_lines": [evidence.line for evidence in verdict.evidence],
        "s_error_guess": verdict.guess,
        "s_error_rule": verdict.rule,
        "s_error_detail": verdict.detail,
        "s_error_headline": error.headline if error is not None else None,
        "s_error_group": error.group if error is not None else None,
        "s_error_fingerprint": verdict.fingerprint,
        "s_repo": repo,
        "s_job_id": str(job_id) if job_id is not None else None,
        "s_user_alias": user,
        "s_note": note,
    }
    return Document("verdicts", verdict_id(verdict.fingerprint, verdict.classifier_version), present(body))


def _said_of_no_cause(verdict: Verdict) -> dict[str, object]:
    """Who said, and how surely, that a job has no cause of its own: job documents do without,
    reuse of the verdict does not.
    """
    if verdict.state != "no_error_found":
        return {}
    return {
        "f_error_confidence": verdict.confidence,
        "s_error_source": verdict.source,
        "s_error_origin": verdict.origin,
    }


def verdict_of(document: Document) -> Verdict:
    """The verdict a stored document holds; its usage as it was spent then.
    Inverse of `verdict_document`.
    """
    body = document.body
    lines, quotes = body.get("l_evidence_lines") or [], str(body.get("s_error_evidence") or "").split("\n")
    return Verdict(
        state=body["s_error_state"],
        error_type=body.get("s_error_type"),
        confidence=float(body.get("f_error_confidence") or 0.0),
        summary=body.get("s_error_summary") or "",
        evidence=tuple(Evidence(line, text) for line, text in zip(lines, quotes, strict=False)),
        suggested_fix=body.get("s_suggested_fix") or "",
        source=body.get("s_error_source") or "rules",
        fingerprint=body["s_error_fingerprint"],
        classifier_version=body["s_classifier_version"],
        model=body.get("s_model") or "",
        origin=body.get("s_error_origin") or "",
        rule=body.get("s_error_rule") or "",
        guess=body.get("s_error_guess"),
        detail=body.get("s_error_detail") or "",
        usage=Usage(
            body.get("l_prompt_tokens") or 0,
            body.get("l_completion_tokens") or 0,
            body.get("l_cached_tokens") or 0,
            float(body.get("f_cost_usd") or 0.0),
        ),
    )
