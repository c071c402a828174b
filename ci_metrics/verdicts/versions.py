"""Which version of each stage gave a verdict: one short hash a stage, and
one for all that decide it.

What belongs here: naming versions. Does not: deciding what an older version means (the index's keys
and Dagster's `code_version` do). The fingerprint's own version travels inside every fingerprint, so
a verdict's key changes with it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.classifier.version import LEARNED
from ci_metrics.llm.prompt import prompt_version


@dataclass(frozen=True, slots=True, kw_only=True)
class StageVersions:
    """One version each. Changing one stage does not redo the others."""

    extractor: str
    fingerprint: str
    rules: str
    taxonomy: str
    prompt: str  # the prompt and the answer's schema; "" when no model is asked
    model: str  # "" when no model is asked

    @property
    def classifier(self) -> str:
        """The hash of what decides a verdict: extractor, rules, taxonomy,
        prompt and schema, model.
        """
        return classifier_version(
            extractor=self.extractor, rules=self.rules, taxonomy=self.taxonomy, prompt=self.prompt, model=self.model
        )


def stage_versions(
    *, extractor: str, fingerprint: str, rules: str, taxonomy: Taxonomy, model: str | None
) -> StageVersions:
    """The versions in force; `model` is the model's name, None or "" when the embedded
    classifier answers alone.
    """
    return StageVersions(
        extractor=extractor,
        fingerprint=fingerprint,
        rules=embedded_version(rules, model=model),
        taxonomy=taxonomy.version,
        prompt=prompt_version(taxonomy) if model else "",
        model=model or "",
    )


def embedded_version(version: str, *, model: str | None) -> str:
    """The part of the embedded classifier's version that verdicts have. While a model is asked,
    weights learned here are none of it.

    They change what the model is told as a guess, and must not make it be paid
    again for what it has judged.
    """
    return version.partition(LEARNED)[0] if model else version


def classifier_version(*, extractor: str, rules: str, taxonomy: str, prompt: str, model: str) -> str:
    """A hash of the five, as it stands in `s_classifier_version` and in a verdict's key."""
    whole = json.dumps([extractor, rules, taxonomy, prompt, model])
    return "c" + hashlib.sha256(whole.encode()).hexdigest()[:12]
