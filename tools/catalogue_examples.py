"""The catalogue's own examples as small cases: which message wins where several stand on one line.

Belongs here: examples in, features and labels out. Does not: learning.
"""

from __future__ import annotations

from collections.abc import Iterator

from ci_metrics.catalogue import Catalogue
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.classifier.features import evidence
from ci_metrics.models import ExtractedError, Extraction, LineMessages, LogLine


def catalogue_examples(catalogue: Catalogue) -> Iterator[tuple[str, str, dict[str, float]]]:
    """(the message's id, its category, the features of one of its examples as the only line of an error)."""
    for message in catalogue.messages:
        if not message.category or message.subject != "line":
            continue
        for text, hits in zip(message.fires, match_lines(catalogue, message.fires), strict=True):
            line = LogLine(1, text)
            error = ExtractedError(
                headline=text.strip(),
                line=1,
                spans=((1, 1),),
                lines=(line,),
                step=None,
                step_number=None,
                fingerprint="",
                group="",
            )
            said = LineMessages(1, tuple(catalogue.messages[number].id for number in hits))
            extraction = Extraction(state="errors", lines=(line,), messages=(said,), errors=(error,), total_lines=1)
            yield message.id, message.category, evidence(extraction, catalogue).features
