"""What documents say of annotations: counts by level, and their messages
as one text, cut visibly.
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_metrics.index.document_index import Body
from ci_metrics.models import Annotation

#: Characters of all messages together; GitHub allows 64 KB for one message and
#: 50 annotations a step.
MESSAGES_CHARACTERS = 10_000


def annotation_fields(annotations: Sequence[Annotation]) -> Body:
    """Counts (0 is known here: there are none) and messages."""
    levels = [annotation.level for annotation in annotations]
    return {
        "l_annotation_count": len(levels),
        "l_annotation_failure_count": levels.count("failure"),
        "l_annotation_warning_count": levels.count("warning"),
        "l_annotation_notice_count": levels.count("notice"),
        "s_annotation_messages": messages_text(annotations),
    }


def messages_text(annotations: Sequence[Annotation], budget: int = MESSAGES_CHARACTERS) -> str:
    """One line or more per annotation, failures first; the last line says what was
    cut, where something was.
    """
    rank = {"failure": 0, "warning": 1}
    lines = [
        f"[{annotation.level}] {annotation.message.strip() or annotation.title}"
        for annotation in sorted(annotations, key=lambda annotation: rank.get(annotation.level, 2))
    ]
    text = "\n".join(lines)
    if len(text) <= budget:
        return text
    return f"{text[:budget]}\n[cut: {len(text) - budget} more characters]"
