"""The one resource of the assets: settings, and what is opened from them.

What belongs here: the resource and its factories. Does not: what the assets do with what they open.

Its configuration has the names of the environment's settings; what is not given comes from the environment (and `.env`).
Secrets have no field on purpose: a resource's configuration is stored with every run and shown in the UI.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property

import dagster as dg
from upath import UPath

from ci_metrics.catalogue import Catalogue, catalogue_in_force
from ci_metrics.classifier import Classifier, decision_version
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.classifier.taxonomy_in_force import taxonomy_in_force
from ci_metrics.github import GitHub, open_github
from ci_metrics.github.conditional import SQLiteConditionalCache
from ci_metrics.index.base import DocumentIndex
from ci_metrics.index.open import open_index
from ci_metrics.llm.batch_ledger import FileBatchLedger
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.clients import build_client
from ci_metrics.logs import FINGERPRINT_VERSION, extractor_version, redact
from ci_metrics.orchestration.learned_weights import LearnedWeights
from ci_metrics.orchestration.partitions import hour_start
from ci_metrics.orchestration.store import HourStore
from ci_metrics.orchestration.verdict_store import IndexVerdictStore
from ci_metrics.settings import SECRETS, Settings, load_settings
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.judge import Judge
from ci_metrics.verdicts.versions import StageVersions, stage_versions

#: Requests to GitHub under way at once; the client's limiter bounds their rate.
FETCH_THREADS = 8


#: Hours older than this are history: their verdicts may wait for a message batch.
HISTORY = timedelta(hours=24)

#: Told (asset, hour, hours done, hours in all) as an asset goes on: progress for a terminal, not for the run log.
OnHour = Callable[[str, str, int, int], None]


def say_nothing(asset: str, hour: str, done: int, total: int) -> None:
    """The default: nobody listens."""


class Workplace:
    """Opens each part when it is first asked for, so that an asset touches only what it needs (no token for a reclassification)."""

    def __init__(self, settings: Settings, on_hour: OnHour = say_nothing) -> None:
        """Nothing is opened yet. `on_hour` hears of each hour that an asset begins, and of the end (with no hour)."""
        self.settings = settings
        self.on_hour = on_hour
        self._closing = contextlib.ExitStack()

    @cached_property
    def store(self) -> HourStore:
        """The files of hours."""
        if self.settings.hours_url is None:
            return HourStore(self.settings.data_dir / "hours")
        root = UPath(self.settings.hours_url)
        return HourStore(root / "sample" if self.settings.is_sample else root)

    @cached_property
    def github(self) -> GitHub:
        """The GitHub client, with the conditional cache of this machine."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        cache = self._closing.enter_context(SQLiteConditionalCache(self.settings.data_dir / "github-cache.sqlite"))
        return self._closing.enter_context(open_github(self.settings, cache=cache))

    @cached_property
    def index(self) -> DocumentIndex:
        """The index, its templates and tables in place."""
        index = open_index(self.settings)
        self._closing.callback(index.close)
        index.ensure()
        return index

    @cached_property
    def catalogue(self) -> Catalogue:
        """The messages in force: the shipped ones, and a team's own."""
        return catalogue_in_force(self.settings.catalogue_dir)

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The categories in force."""
        return taxonomy_in_force(self.settings.taxonomy_file, self.catalogue)

    @cached_property
    def classifier(self) -> Classifier:
        """The embedded classifier, with the weights that the team's own verdicts made where there are such."""
        learned = LearnedWeights(self.store.root).model() if self.settings.learn_from_verdicts else None
        return Classifier(self.taxonomy, self.catalogue, learned)

    @cached_property
    def verdicts(self) -> IndexVerdictStore:
        """The verdict index: what humans and models said of each distinct error."""
        return IndexVerdictStore(self.index)

    @cached_property
    def model(self) -> ModelClient | None:
        """The model that the settings name; None when none is asked."""
        client = build_client(self.settings)
        if client is not None:
            self._closing.callback(client.close)
        return client

    @cached_property
    def batches(self) -> Batches | None:
        """The message batches under way; None without a model, or when the settings want none."""
        if self.model is None or not self.settings.model_batches:
            return None
        return Batches(
            settings=self.settings,
            taxonomy=self.taxonomy,
            model=self.model,
            store=self.verdicts,
            ledger=FileBatchLedger(self.settings.data_dir / "batches"),
        )

    @cached_property
    def judge(self) -> Judge:
        """Gives verdicts: human, stored, model, rules."""
        return Judge(
            settings=self.settings,
            taxonomy=self.taxonomy,
            rules=self.classifier,
            store=self.verdicts,
            model=self.model,
            batches=self.batches,
            redact=redact,
        )

    @property
    def classifier_version(self) -> str:
        """Changes whenever the same log could get another verdict."""
        return versions_in_force(self.settings, self.taxonomy, self.catalogue, self.classifier.version).classifier

    @property
    def extractor_version(self) -> str:
        """Changes whenever the same log could give other errors."""
        return extractor_version(self.catalogue)

    def may_wait(self, hour: str) -> bool:
        """Whether an hour's verdicts may come from a message batch (half price, within a day): history may, today may not."""
        return self.batches is not None and not self.settings.is_sample and self.now() - hour_start(hour) > HISTORY

    def now(self) -> datetime:
        """The present moment, UTC."""
        return datetime.now(UTC)

    def close(self) -> None:
        """Close what was opened."""
        self._closing.close()


def _open(init_context: dg.InitResourceContext) -> Iterator[Workplace]:
    given = {name.lower(): value for name, value in (init_context.resource_config or {}).items()}
    workplace = Workplace(load_settings(**given))
    try:
        yield workplace
    finally:
        workplace.close()


def workplace_resource() -> dg.ResourceDefinition:
    """The resource as production uses it: from the environment, each setting replaceable in the launchpad."""
    return dg.ResourceDefinition(
        resource_fn=_open,
        config_schema={
            name.upper(): dg.Field(
                dg.StringSource, is_required=False, description=f"Replaces the environment's {name.upper()}."
            )
            for name in Settings.model_fields
            if name not in SECRETS
        },
        description="Settings (the environment's names), and GitHub, the store, the index and the judge opened from them.",
    )


def versions_in_force(
    settings: Settings, taxonomy: Taxonomy, catalogue: Catalogue, embedded: str | None = None
) -> StageVersions:
    """One hash per stage, as the settings choose them; `embedded`: the embedded classifier's, unless it has only shipped weights."""
    return stage_versions(
        extractor=extractor_version(catalogue),
        fingerprint=FINGERPRINT_VERSION,
        rules=embedded or decision_version(catalogue),
        taxonomy=taxonomy,
        model=settings.anthropic_model if settings.uses_model else None,
    )


def classifier_in_words(settings: Settings) -> str:
    """Which classifier answers, and why."""
    if not settings.uses_model:
        return "the embedded classifier answers, because ANTHROPIC_API_KEY is not set"
    asked = "for every distinct error" if settings.model_policy == "all" else "where the embedded classifier is unsure"
    return f"{settings.anthropic_model} answers {asked}, because ANTHROPIC_API_KEY is set"
