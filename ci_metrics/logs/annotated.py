"""Annotations of a job's check run as a source: the cause of a cancelled or
timed-out job is often only there.

Belongs here: annotations in, errors out, and both sources merged. Does not: the log's
own errors (`findings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ci_metrics.logs import fingerprint
from ci_metrics.models import Annotation, ExtractedError, Step
from ci_metrics.redaction import redact

#: Annotations that say why the job ended, whatever its log says.
_DECISIVE = re.compile(
    r"maximum execution time|has timed out|lost communication|shutdown signal|higher priority waiting request|was not acquired"
    r"|cancell?ed (?:by|because)|runner .{0,60}(?:lost|deleted|disconnected|not found)|startup failure|billing|spending limit"
    r"|workflow file|not valid|ran out of disk|No space left|deprovision|evicted",
    re.IGNORECASE,
)
#: Annotations that only repeat that something failed.
_WRAPPER = re.compile(
    r"Process completed with exit code \d+|The operation was canceled|exited with (?:code )?\d+", re.IGNORECASE
)


def annotated_errors(annotations: Sequence[Annotation], step: Step | None) -> tuple[ExtractedError, ...]:
    """The failures among `annotations`, those that say why the job ended first;
    wrappers last and at most one.
    """
    found: list[tuple[int, int, ExtractedError]] = []
    for order, note in enumerate(a for a in annotations if a.level == "failure" and a.message.strip()):
        text = redact(note.message)[0].strip()
        first = text.splitlines()[0]
        place = f"{note.path}:{note.start_line}: " if note.path and note.path != ".github" and note.start_line else ""
        headline = place + first
        rank = 0 if _DECISIVE.search(text) else 2 if _WRAPPER.search(first) else 1
        mark = fingerprint.of(headline, text.splitlines())
        error = ExtractedError(
            headline=headline,
            line=None,
            spans=(),
            lines=(),
            step=step.name if step else None,
            step_number=step.number if step else None,
            fingerprint=mark.fingerprint,
            group=mark.group,
            generic=mark.generic,
            telling=mark.telling,
            source="annotation",
            tool="github" if rank != 1 else "",
        )
        found.append((rank, order, error))
    ordered = [e for _, _, e in sorted(found, key=lambda row: row[:2])]
    wrappers = [e for rank, _, e in found if rank == 2]
    return tuple(e for e in ordered if e not in wrappers[1:])


def merged_with_annotations(
    logged: tuple[ExtractedError, ...], noted: tuple[ExtractedError, ...]
) -> tuple[ExtractedError, ...]:
    """Both sources, root cause first: an annotation that says why the job ended leads; one that
    the log says too is dropped.
    """
    if not noted:
        return logged
    decisive = tuple(e for e in noted if _DECISIVE.search(e.headline))
    said = {_bare(line.text) for error in logged for line in error.lines} | {_bare(e.headline) for e in logged}
    rest = tuple(
        e
        for e in noted
        if e not in decisive and not _WRAPPER.search(e.headline) and not any(_bare(e.headline) in text for text in said)
    )
    leading = tuple(e for e in decisive if not any(_bare(e.headline) in _bare(x.headline) for x in logged[:1]))
    return (*leading, *logged, *rest)


def _bare(text: str) -> str:
    return re.sub(r"^(?:##\[\w+\])|\W+", "", text).lower()
