"""One case of the campaign, gone through: undisturbed, disturbed, undisturbed again.

What belongs here: the place where it happens, running it, judging what came out. Does not: the
cases (`cases.py`), the page (`tools/reliability.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from opensearchpy import OpenSearch

from ci_metrics.errors import CiMetricsError
from ci_metrics.index.document_index import Kind
from ci_metrics.index.open import open_index
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.reliability.command import Commands, Ended, Ways, commands
from ci_metrics_tests.reliability.index_proxy import IndexProxy, index_proxy
from ci_metrics_tests.reliability.world import FIRST, LAST, WORLD

KINDS: tuple[Kind, ...] = ("workflows", "jobs", "steps")

#: Which run wrote a document, and what was paid for its verdict: a second run is another one, and a
#: question that was on its way when something broke is paid for twice.
VOLATILE = {"s_dagster_run_id", "l_prompt_tokens", "l_completion_tokens", "l_cached_tokens", "f_cost_usd"}

Key = tuple[str, str]
Bodies = dict[Key, dict[str, Any]]

#: How much may be missing while the fault lasts. Of a run, a repository, an hour: one of
#: them, and it is named.
Cost = Literal["nothing", "a run", "a repository", "an hour", "anything"]

#: The documents that make up one of each, by the field that they share.
_SHARED = {"a run": "s_workflow_id", "a repository": "s_repo", "an hour": "s_partition"}


class NotPossibleError(Exception):
    """This machine cannot bring about the fault: says why."""


@dataclass(slots=True)
class Site:
    """Where a case happens: the servers, the home, how the command is run. A
    case's fault changes any of it.
    """

    github: SampleGitHub
    model: ModelServer
    home: Path
    commands: Commands
    ways: Ways = field(default_factory=Ways)
    environment: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)  # what the fault holds until it is taken away

    @property
    def data(self) -> Path:
        """The home's data of repositories."""
        return self.home / "data"

    def ask_the_model(self) -> None:
        """Have each distinct error judged by the model server, in this case's every run."""
        self._lasting |= {
            "ANTHROPIC_API_KEY": KEY,
            "API_BASE_URL": self.model.url,
            "MODEL_POLICY": "all",
            "MODEL_BATCHES": "false",
            "MAX_RPM": "10000",
        }

    def write_to(self, opensearch: str) -> None:
        """Have documents written to a real server in this case's every run, through a
        proxy, into indices of its own.
        """
        if not opensearch:
            raise NotPossibleError("there is no OpenSearch server")
        self.ways.index_seconds = 30  # a real one makes its indices in some seconds
        self.proxy = self._servers.enter_context(index_proxy(opensearch))
        names = {
            name: f"campaign-{uuid.uuid4().hex[:12]}-{name}" for name in ("workflows", "jobs", "steps", "verdicts")
        }
        self._servers.callback(_remove_indices, opensearch, list(names.values()))
        self._lasting |= {
            "WORKFLOW_INDEX": f"{self.proxy.url}/{names['workflows']}",
            "JOB_INDEX": f"{self.proxy.url}/{names['jobs']}",
            "STEPS_INDEX": f"{self.proxy.url}/{names['steps']}",
            "ERROR_CLASSIFICATION_INDEX": names["verdicts"],
        }

    def close(self) -> None:
        """End what lasts as long as the case."""
        self.stack.close()
        self._servers.close()

    proxy: IndexProxy | None = None
    _lasting: dict[str, str] = field(default_factory=dict)
    _servers: ExitStack = field(default_factory=ExitStack)

    def settings(self) -> dict[str, str]:
        """The command's environment."""
        return {
            "CI_METRICS_HOME": str(self.home),
            "GITHUB_API_URL": self.github.api_url,
            "GITHUB_TOKEN": self.github.token,
            "REPO": ",".join(self.github.world.repos),
            "ENABLE_ERROR_CLASSIFICATION": "true",
            **self._lasting,
            **self.environment,
        }

    def upload(self) -> Ended:
        """The real command over the world's hours."""
        words = ["upload", "--json", "--from", FIRST, "--to", LAST]
        return self.commands.run(words, self.home.parent, self.settings(), self.ways)

    def mend(self) -> None:
        """Take the fault away."""
        self.stack.close()
        self.github.faults.clear()
        self.model.no_faults()
        if self.proxy is not None:
            self.proxy.fault = self.proxy.refused = None
        self.ways, self.environment = Ways(index_seconds=self.ways.index_seconds), {}

    def documents(self) -> Bodies:
        """What the index holds; nothing where it cannot be read."""
        settings = load_settings({**self.settings(), **self._lasting})
        try:
            with closing(open_index(settings)) as index:
                index.ensure()
                index.refresh()
                found = {(kind, each.id): each.body for kind in KINDS for each in index.scan(kind)}
        except CiMetricsError:
            return {}
        return {key: _plain(body) for key, body in found.items()}


def _remove_indices(opensearch: str, names: list[str]) -> None:
    with closing(OpenSearch(opensearch, timeout=60)) as client:
        client.indices.delete(index=",".join(names), params={"ignore_unavailable": "true"})
        for name in names:
            client.indices.delete_index_template(name=f"ci-metrics-{name}", params={"ignore": 404})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in VOLATILE}
    return [_plain(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault: what it is in words, how it comes about, what it may cost while it lasts."""

    part: str  # of the world around the command: GitHub, logs, model, index, disk, files, process
    what: str
    inject: Callable[[Site], None]
    costs: Cost = "anything"
    ends: frozenset[str] = frozenset({"complete", "unfinished", "failed"})
    model: bool = False  # a model is asked for each verdict, in both runs
    after_a_run: bool = False  # the hours were done once before
    bounded: bool = False  # among those that `make test` tries
    opensearch: bool = False  # needs a real server
    says_otherwise: bool = False  # GitHub or the model says other things of the same jobs: bodies differ, for good
    known: str = ""  # why it does not hold yet

    @property
    def name(self) -> str:
        """For people and for a test's id."""
        return f"{self.part}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a case came to."""

    case: Case
    wrong: tuple[str, ...]  # promises that were not held
    happened: str

    @property
    def held(self) -> bool:
        """Whether every promise was."""
        return not self.wrong


@dataclass(slots=True)
class Campaign:
    """Goes through cases, one after the other, each in a home of its own."""

    folder: Path
    commands: Commands
    opensearch: str = ""  # the address of a real server; "" when there is none
    _expected: dict[bool, Bodies] = field(default_factory=dict)

    @contextmanager
    def site(self, *, after_a_run: bool = False) -> Iterator[Site]:
        """Fresh servers and an empty home, or one in which an undisturbed run has
        ended; always at the same path.
        """
        home = self.folder / "site" / "home"
        home.parent.mkdir()
        if after_a_run:
            shutil.copytree(self._done, home)
        else:
            home.mkdir()
        with SampleGitHub(WORLD) as github, ModelServer() as model:
            site = Site(github, model, home, self.commands)
            try:
                yield site
            finally:
                site.close()
                shutil.rmtree(home.parent)

    @property
    def _done(self) -> Path:
        """What an undisturbed run, without a model, left behind."""
        return self.folder / "done"

    def expected(self, case: Case) -> Bodies:
        """The documents of an undisturbed run; with a model, its verdicts."""
        asks = case.model
        if asks not in self._expected:
            with self.site() as site:
                if asks:
                    site.ask_the_model()
                ended = site.upload()
                assert ended.state == "complete", ended
                self._expected[asks] = site.documents()
                if not asks:
                    shutil.copytree(site.home, self._done)
            assert {kind for kind, _ in self._expected[asks]} == set(KINDS)
        return self._expected[asks]

    def go_through(self, case: Case) -> Tried:
        """Inject, run, judge; take away, run, compare. Raises NotPossibleError."""
        expected = self.expected(case)
        with self.site(after_a_run=case.after_a_run) as site:
            if case.model:
                site.ask_the_model()
            if case.opensearch:
                site.write_to(self.opensearch)
            case.inject(site)
            disturbed = site.upload()
            site.mend()
            lacking = _lacking(expected, site.documents(), case)
            wrong = [*_told(disturbed, lacking, case), *_confined(lacking, expected, case)]
            again = site.upload()
            left = _lacking(expected, found := site.documents(), case)
            if left or found.keys() - expected.keys():
                more = len(found.keys() - expected.keys())
                wrong.append(
                    f"afterwards {len(left)} documents are missing or differ and {more} are too many: {left[:2]}"
                )
            if again.state != "complete":
                wrong.append(f"the run afterwards is {again.state}: {_last_words(again)}")
        return Tried(case=case, wrong=tuple(wrong), happened=_in_words(disturbed, lacking, site.home))


@contextmanager
def campaign(opensearch: str = "") -> Iterator[Campaign]:
    """A campaign with its processes, until the block ends; in memory where
    there is such a file system.

    `opensearch`: the address of a real server.
    """
    memory = Path("/dev/shm")  # a run writes some hundred small files, and waits for the disk at each
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ci-metrics-campaign-", dir=parent) as name:
        Path(name).chmod(0o755)  # one of the processes has no rights here
        with commands(Path(name)) as started:
            yield Campaign(Path(name), started, opensearch)


def _lacking(expected: Bodies, found: Bodies, case: Case) -> list[Key]:
    if case.says_otherwise:
        return sorted(expected.keys() - found.keys())
    return [key for key, body in expected.items() if found.get(key) != body]


def _told(ended: Ended, lacking: list[Key], case: Case) -> Iterator[str]:
    """What the command had to say and did not."""
    if ended.state not in case.ends:
        yield f"it ended {ended.state}, not {' or '.join(sorted(case.ends))}: {_last_words(ended)}"
    if lacking and ended.state == "complete":
        yield f"{len(lacking)} documents are missing or differ, and it ended as complete"
    if "Traceback" in ended.err or "Traceback" in ended.out:
        yield f"a traceback: {_last_words(ended)}"
    messages = [line for line in ended.err.splitlines() if line.startswith("ci-metrics: ")]
    if len(messages) != (ended.state in ("failed", "refused")):
        yield f"{len(messages)} messages on standard error: {messages}"
    said = ended.said
    if said and said["state"] != ended.state:
        yield f"its JSON says {said['state']}, its exit code {ended.state}"
    if ended.state == "unfinished" and not said.get("problems"):
        yield "it is unfinished and names nothing"


def _confined(lacking: list[Key], expected: Bodies, case: Case) -> Iterator[str]:
    """Whether more is missing than the fault explains."""
    if case.costs == "nothing" and lacking:
        yield f"{len(lacking)} documents are missing or differ for nothing: {lacking[:2]}"
    shared = _SHARED.get(case.costs)
    touched = {expected[key][shared] for key in lacking} if shared else set()
    if len(touched) > 1:
        yield f"it cost documents of {len(touched)} {shared}: {sorted(map(str, touched))}"


def _last_words(ended: Ended) -> str:
    lines = [line for line in (ended.err or ended.out).splitlines() if line.strip() and not line.startswith("writes ")]
    return lines[-1][:300] if lines else "not a word"


def _in_words(ended: Ended, lacking: list[Key], home: Path) -> str:
    """One line, the same on each machine."""
    missing = f"{len(lacking)} documents late" if lacking else "no document late"
    named = _first_problem(ended.said.get("problems") or {}) or (_last_words(ended) if ended.err else "")
    told = "; ".join(part for part in (ended.state, missing, named) if part).replace(str(home), "HOME")
    return re.sub(r"(?<=127\.0\.0\.1):\d+|(?<=port=)\d+|\.[0-9a-f]{32}\b", "", told)


def _first_problem(problems: Mapping[str, str]) -> str:
    return next((f"{what}: {why}" for what, why in problems.items()), "")
