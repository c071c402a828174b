"""Which stored verdicts still hold, and which need another look.

What belongs here: comparing an hour's stored verdicts with what is in force. Does not: judging,
storing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ci_metrics.history.labels import Labels
from ci_metrics.orchestration.parts import JudgePart
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.storage.rows import JobExtraction, JobKey, JobVerdicts, JudgedError
from ci_metrics.verdicts.judge import model_failed, unsettled
from ci_metrics.verdicts.reuse import label_key


def is_open(row: JobVerdicts) -> bool:
    """Whether the next tick should try again."""
    return any(unsettled(judged.verdict) for judged in row.judged)


def model_has_failed(row: JobVerdicts) -> bool:
    """Whether the model was asked in vain; the rules may have answered instead, so the state alone
    does not tell.
    """
    return row.state == "llm_failed" or any(model_failed(judged.verdict) for judged in row.judged)


def still_holding(
    judge: JudgePart,
    extractions: list[JobExtraction],
    before: Mapping[JobKey, JobVerdicts],
    labels: Labels,
    only: Only | None,
) -> dict[JobKey, JobVerdicts]:
    """The rows that need no new look: nothing they are made of has changed, and nothing is open.

    What a person says needs none either: labels are put into the documents, not into these rows.
    But a row that holds a person's verdict, because the judge found it before all else, holds only
    as long as that label does. With `only`, whatever it does not want holds as long as the
    extraction is the same.
    """
    same = [(row, before[row.key]) for row in extractions if row.key in before and before[row.key].digest == row.digest]
    same = [(row, kept) for row, kept in same if kept.state != "off" and not is_open(kept)]
    types = {key: label.body["s_error_type"] for key, label in labels.items()}
    held: dict[JobKey, JobVerdicts] = {}
    for row, kept in same:
        version = judge.judge.version_for(row.extraction)
        said = [types.get(label_key(error)) for error in row.extraction.errors]
        spared = only is not None and not only.wants(kept)
        if spared or (len(said) == len(kept.judged) and all(map(_holds, kept.judged, said, [version] * len(said)))):
            held[row.key] = kept
    return held


def _holds(judged: JudgedError, human: str | None, version: str) -> bool:
    if judged.verdict.source == "human":
        return judged.verdict.error_type == human
    return judged.verdict.classifier_version == version
