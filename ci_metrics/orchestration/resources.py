"""Dagster's resources: the parts of `parts.py`, configured by the environment's
settings or in the launchpad.

Belongs here: which setting configures which resource. Does not: opening (`parts.py`).

A field has the name of an environment's setting, and replaces it for a run; what is not given comes
from the environment (and `.env`). What `hours` is given holds for the other three as well. Secrets
have no field on purpose: a resource's configuration is stored with every run and shown in the UI.
"""

# No `from __future__ import annotations` here: Dagster tells a ResourceDependency by
# its evaluated annotation.

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ci_metrics.orchestration.parts import GitHubPart, HoursPart, IndexPart, JudgePart
from ci_metrics.settings import Settings, load_settings, with_values

#: A setting as text, as in the environment.
Override = Annotated[str | None, Field(description="Replaces the environment's setting of this name.")]


class HoursResource(dg.ConfigurableResource[HoursPart]):
    """Where hours are kept, and of which repositories."""

    REPO: Override = None
    REPO_FILE: Override = None
    CI_METRICS_HOME: Override = None
    CI_METRICS_SAMPLE: Override = None
    HOURS_URL: Override = None
    HOURS_BACK: Override = None
    PARTITIONS_START: Override = None
    USE_BACKGROUND: Override = None
    OWNERS_FILE: Override = None
    KEEP_LOGS_DAYS: Override = None
    KEEP_HOURS_DAYS: Override = None
    KEEP_RUNS_DAYS: Override = None
    OTEL_EXPORTER_OTLP_ENDPOINT: Override = None

    def create_resource(self, context: dg.InitResourceContext) -> HoursPart:  # noqa: ARG002 - Dagster's signature
        """Read the settings."""
        return HoursPart(_settings(load_settings(), self))


class GitHubResource(dg.ConfigurableResource[GitHubPart]):
    """How GitHub is asked."""

    hours: dg.ResourceDependency[HoursPart]
    GITHUB_API_URL: Override = None
    GITHUB_APP_ID: Override = None
    GITHUB_APP_INSTALLATION_ID: Override = None
    MAX_LOG_MB: Override = None
    JUNIT_ARTIFACTS: Override = None
    ENABLE_PR_COMMENTS: Override = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[GitHubPart]:  # noqa: ARG002
        """Close what was opened when the run ends."""
        with closing(GitHubPart(_settings(self.hours.settings, self))) as part:
            yield part


class IndexResource(dg.ConfigurableResource[IndexPart]):
    """Where documents go."""

    hours: dg.ResourceDependency[HoursPart]
    WORKFLOW_INDEX: Override = None
    JOB_INDEX: Override = None
    STEPS_INDEX: Override = None
    ERROR_CLASSIFICATION_INDEX: Override = None
    OPENSEARCH_USERNAME: Override = None
    OPENSEARCH_HOSTS: Override = None
    OPENSEARCH_CLIENT_CERT: Override = None
    OPENSEARCH_CLIENT_KEY: Override = None
    OPENSEARCH_AWS_REGION: Override = None
    OPENSEARCH_AWS_SERVICE: Override = None
    OPENSEARCH_SHARDS: Override = None
    OPENSEARCH_REPLICAS: Override = None
    OPENSEARCH_BULK_MB: Override = None
    INDEX_BY_MONTH: Override = None
    RUNNER_PRICES_FILE: Override = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[IndexPart]:  # noqa: ARG002
        """Close what was opened when the run ends."""
        with closing(IndexPart(_settings(self.hours.settings, self))) as part:
            yield part


class JudgeResource(dg.ConfigurableResource[JudgePart]):
    """How errors are read and judged, and what it may cost."""

    hours: dg.ResourceDependency[HoursPart]
    index: dg.ResourceDependency[IndexPart]
    ENABLE_ERROR_CLASSIFICATION: Override = None
    ANTHROPIC_MODEL: Override = None
    STRONGER_MODEL: Override = None
    API_FORMAT: Override = None
    API_BASE_URL: Override = None
    ALLOW_PLAIN_HTTP: Override = None
    MAX_RPM: Override = None
    MAX_TPM: Override = None
    CLASSIFICATION_CACHE_TTL_HOURS: Override = None
    MIN_CONFIDENCE_FOR_REUSE: Override = None
    CONFIDENCE_THRESHOLD: Override = None
    LOW_CONFIDENCE: Override = None
    MAX_USD_PER_HOUR: Override = None
    MODEL_POLICY: Override = None
    MODEL_BATCHES: Override = None
    PRICES_FILE: Override = None
    TAXONOMY_FILE: Override = None
    CATALOGUE_DIR: Override = None
    LEARN_FROM_VERDICTS: Override = None
    EXCERPT_BUDGET: Override = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[JudgePart]:  # noqa: ARG002
        """Close what was opened when the run ends."""
        with closing(JudgePart(_settings(self.hours.settings, self), self.hours, self.index)) as part:
            yield part


def build_resources(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The four resources as production uses them; `overrides` stand in by name, also for
    those that depend on them.

    Configured at launch, so that a run has one of each: the judge's index is the run's index.
    """
    given = dict(overrides or {})
    hours = given.get("hours") or HoursResource.configure_at_launch()
    index = given.get("index") or IndexResource.configure_at_launch(hours=hours)
    github = GitHubResource.configure_at_launch(hours=hours)
    judge = JudgeResource.configure_at_launch(hours=hours, index=index)
    return {"hours": hours, "github": github, "index": index, "judge": judge, **given}


def _settings(settings: Settings, resource: dg.ConfigurableResource[Any]) -> Settings:
    """The settings, with what the resource is given in place of theirs."""
    given = {name.lower(): getattr(resource, name) for name in type(resource).model_fields if name.isupper()}
    return with_values(settings, **{name: value for name, value in given.items() if value is not None})
