"""What a run works with, opened from settings: the hours, GitHub, the index, the judge.

Belongs here: opening each part when it is first asked for, and closing it; one place for assets and
commands. Does not: Dagster's configuration of them (`resources.py`), what is done with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from upath import UPath

from ci_metrics.catalogue import Catalogue, catalogue_in_force
from ci_metrics.classifier import Classifier, decision_version
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.open import open_index
from ci_metrics.index.runner_prices import RunnerPrices, load_runner_prices
from ci_metrics.llm.batch_ledger import BatchLedger
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.clients import build_client
from ci_metrics.logs import FINGERPRINT_VERSION, extractor_version, redact
from ci_metrics.orchestration.partitions import hour_start
from ci_metrics.orchestration.storage.atomic_files import is_local
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.orchestration.storage.cause_records import CauseStore
from ci_metrics.orchestration.storage.failing_repositories import Failing, FailingRepositories
from ci_metrics.orchestration.storage.labels import LabelStore
from ci_metrics.orchestration.storage.learned_weights import LearnedWeights
from ci_metrics.orchestration.storage.marked_hours import MarkedHours
from ci_metrics.orchestration.storage.repository_list import RepositoryList
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.orchestration.storage.verdict_store import IndexVerdictStore
from ci_metrics.private_files import make_folder
from ci_metrics.repositories import chosen, owners_to_list
from ci_metrics.settings import Settings
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.budget import utc_now
from ci_metrics.verdicts.judge import Judge
from ci_metrics.verdicts.versions import StageVersions, stage_versions

if TYPE_CHECKING:
    from ci_metrics.github import GitHub

#: Requests to GitHub under way at once; the client's limiter bounds their rate.
FETCH_THREADS = 8


#: Hours older than this are history: their verdicts may wait for a message batch.
HISTORY = timedelta(hours=24)

#: Told (asset, hour, hours done, hours in all) as an asset goes on: progress for a
#: terminal, not for the run log.
OnHour = Callable[[str, str, int, int], None]


def say_nothing(asset: str, hour: str, done: int, total: int) -> None:
    """The default: nobody listens."""


class HoursPart:
    """Where hours are kept, and the clock and the listener of who works on them."""

    def __init__(
        self, settings: Settings, on_hour: OnHour = say_nothing, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`on_hour` hears of each hour that an asset begins, and of the end (with no hour)."""
        self.settings = settings
        self.on_hour = on_hour
        self.now = clock

    @cached_property
    def store(self) -> HourStore:
        """The files of hours."""
        return HourStore(self.settings.hours_root)

    @property
    def marked(self) -> MarkedHours:
        """What was seen to have changed since it was fetched."""
        return MarkedHours(self.store.root)

    @property
    def failing(self) -> FailingRepositories:
        """The repositories that could not be had."""
        return FailingRepositories(self.store.root)

    @property
    def awaited_repos(self) -> list[str]:
        """The repositories that hours wait for: all but those set aside, unless all are."""
        return self.awaited_but(self.failing.read())

    def awaited_but(self, failing: Mapping[str, Failing]) -> list[str]:
        """The same, given which repositories fail."""
        repos = self.repos
        return [repo for repo in repos if repo not in failing or not failing[repo].is_set_aside] or list(repos)

    @property
    def repos(self) -> tuple[str, ...]:
        """The repositories that the settings mean; of patterns, those that were found last."""
        patterns = self.settings.repositories
        return chosen(patterns, RepositoryList(self.store.root).known() if owners_to_list(patterns) else ())


def batches_folder(settings: Settings) -> UPath:
    """Where message batches are noted: where every process sees it that sees the hours."""
    return UPath(settings.data_dir / "batches") if settings.hours_url is None else settings.hours_root / "batches"


class _Opening:
    """Opens nothing before it is asked for, and closes what it opened."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self._opened = contextlib.ExitStack()

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()


class GitHubPart(_Opening):
    """Access to GitHub; a run that asks it for nothing needs no token."""

    @cached_property
    def client(self) -> GitHub:
        """The client, with the conditional cache of all who see the hours.

        Raises SettingsError when there are no credentials.
        """
        # The client takes a third of a second to load, and a look at what is stored needs none.
        from ci_metrics.github import open_github
        from ci_metrics.github.conditional import ConditionalCache, SQLiteConditionalCache
        from ci_metrics.orchestration.storage.conditional_objects import ObjectConditionalCache

        make_folder(self.settings.data_dir)
        root = self.settings.hours_root
        cache: ConditionalCache
        if is_local(root):
            cache = self._opened.enter_context(SQLiteConditionalCache(self.settings.data_dir / "github-cache.sqlite"))
        else:
            cache = self._opened.enter_context(ObjectConditionalCache(root / "github-cache"))
        return self._opened.enter_context(open_github(self.settings, cache=cache))


class IndexPart(_Opening):
    """Access to the index."""

    @cached_property
    def documents(self) -> DocumentIndex:
        """The index, its templates and tables in place."""
        index = open_index(self.settings)
        self._opened.callback(index.close)
        index.ensure()
        return index

    @cached_property
    def prices(self) -> RunnerPrices:
        """What runners cost: GitHub's list, and a team's own rows."""
        return load_runner_prices(self.settings.runner_prices_file)


class JudgePart(_Opening):
    """The judge, and what it judges by: messages, categories, the
    embedded classifier, the model.
    """

    def __init__(self, settings: Settings, hours: HoursPart, index: IndexPart, base: JudgePart | None = None) -> None:
        """Nothing is opened yet. `hours` hold the weights learned there, `index` the verdicts.

        `base`: whose model is asked, where this one is of repositories with categories of their
        own.
        """
        super().__init__(settings)
        self._hours, self._index, self._base = hours, index, base

    @cached_property
    def _others(self) -> dict[Path, JudgePart]:
        """By TAXONOMY_FILE, the judges of repositories that have one of their own (REPO_FILE)."""
        files = self.settings.repo_rules.taxonomy_files() if self._base is None else ()
        given = {file: self.settings.model_copy(update={"taxonomy_file": file}) for file in files}
        return {file: JudgePart(settings, self._hours, self._index, self) for file, settings in given.items()}

    def of(self, repo: str) -> JudgePart:
        """The judge of a repository: this one, but where it has categories of its own."""
        file = self.settings.repo_rules.of(repo).taxonomy_file if self._others else None
        return self._others[file] if file is not None else self

    @cached_property
    def categories(self) -> Taxonomy:
        """All that documents may name: those in force, and those of single repositories."""
        own = [category for each in self._others.values() for category in each.taxonomy.categories]
        named = {category.name: category for category in (*reversed(own), *self.taxonomy.categories)}
        return replace(self.taxonomy, categories=tuple(named.values())) if own else self.taxonomy

    @property
    def hour_version(self) -> str:
        """Changes whenever an hour's verdicts could be other ones, of whatever repository."""
        versions = [self.classifier_version, *(each.classifier_version for each in self._others.values())]
        if len(versions) == 1:
            return versions[0]
        return "c" + blake2b(" ".join(versions).encode(), digest_size=6).hexdigest()

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
        """The embedded classifier, with the weights that the team's own verdicts
        made where there are such.
        """
        learned = LearnedWeights(self._hours.store.root).model() if self.settings.learn_from_verdicts else None
        return Classifier(self.taxonomy, self.catalogue, learned)

    @cached_property
    def verdicts(self) -> IndexVerdictStore:
        """The verdict index: what humans and models said of each distinct error."""
        return IndexVerdictStore(self._index.documents, unwritten=self._hours.store.root / "unwritten_verdicts")

    @cached_property
    def labels(self) -> LabelStore:
        """What persons said of failures."""
        return LabelStore(self._hours.store.root, self._index.documents)

    @cached_property
    def causes(self) -> CauseStore:
        """What persons said of causes."""
        return CauseStore(self._hours.store.root, lambda: self._index.documents)

    @cached_property
    def model(self) -> ModelClient | None:
        """The model that the settings name; None when none is asked."""
        if self._base is not None:
            return self._base.model
        client = build_client(self.settings)
        if client is not None:
            self._opened.callback(client.close)
        return client

    @cached_property
    def ledger(self) -> BatchLedger:
        """What is noted of the message batches under way."""
        return FileBatchLedger(batches_folder(self.settings))

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
            ledger=self.ledger,
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
        """Whether an hour's verdicts may come from a message batch (half price, within a day):
        history may, today may not.
        """
        old = self._hours.now() - hour_start(hour) > HISTORY
        return self.batches is not None and not self.settings.is_sample and old


@dataclass(frozen=True, slots=True)
class Parts:
    """All of them, of one process; the names are those of Dagster's resources."""

    settings: Settings
    hours: HoursPart
    github: GitHubPart
    index: IndexPart
    judge: JudgePart


@contextlib.contextmanager
def open_parts(
    settings: Settings,
    on_hour: OnHour = say_nothing,
    clock: Callable[[], datetime] = utc_now,
    index_part: Callable[[Settings], IndexPart] = IndexPart,
) -> Iterator[Parts]:
    """The parts that the settings name; what was opened of them is closed at the block's end."""
    hours, index = HoursPart(settings, on_hour, clock), index_part(settings)
    parts = Parts(settings, hours, GitHubPart(settings), index, JudgePart(settings, hours, index))
    with contextlib.closing(index), contextlib.closing(parts.github), contextlib.closing(parts.judge):
        yield parts


def versions_in_force(
    settings: Settings, taxonomy: Taxonomy, catalogue: Catalogue, embedded: str | None = None
) -> StageVersions:
    """One hash per stage, as the settings choose them; `embedded`: the embedded classifier's,
    unless it has only shipped weights.
    """
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
