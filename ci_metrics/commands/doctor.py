"""`ci-metrics doctor`: is each connection there, and what is missing for what?

Belongs here: asking each part whether it answers, and saying so. Does not: repairing anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Literal

import httpx
from cyclopts import Parameter

from ci_metrics.catalogue import catalogue_in_force, load_catalogue
from ci_metrics.classifier import decision_version, model_in_force
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.commands.health import aside_lines
from ci_metrics.commands.open_index import is_empty, refuse_no_file
from ci_metrics.errors import CiMetricsError, NotFoundError, SettingsError
from ci_metrics.github import GitHub, open_github
from ci_metrics.index.open import open_index
from ci_metrics.logs import extractor_version, redact
from ci_metrics.logs.ranking import weights_in_force
from ci_metrics.orchestration.health import health_of
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.run_messages import ONLY_HERE
from ci_metrics.orchestration.storage.atomic_files import is_local, keeps_conditions
from ci_metrics.private_files import open_to_others
from ci_metrics.repositories import chosen, owners_to_list
from ci_metrics.settings import Settings, load_settings
from ci_metrics.urls import mask_url

#: The vendors' own endpoints, when API_BASE_URL is not set.
DEFAULT_ENDPOINTS = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}

#: Seconds that a model's endpoint may take to answer.
PATIENCE = 10.0

#: Repositories that are asked for one by one.
SHOWN_REPOS = 50

_SIGNS = {"ok": "✅", "missing": "▫️", "wrong": "❌"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found: `ok`, `missing` (not set, and what then does its work), or
    `wrong` (and what to do).
    """

    part: str
    state: Literal["ok", "missing", "wrong"]
    says: str


def doctor(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Check the settings and each connection: GitHub and its remaining quota, the index, the model.

    Costs nothing: no model is asked a question. Exit code 0 when nothing is wrong, else 1.

    Parameters
    ----------
    json_
        Print one JSON object a finding.
    """
    findings = list(look())
    for finding in findings:
        print(json.dumps(asdict(finding)) if json_ else f"{_SIGNS[finding.state]} {finding.part}: {finding.says}")
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def look() -> Iterator[Finding]:
    """All findings; with wrong settings there is only that one."""
    try:
        settings = load_settings()
    except SettingsError as error:
        yield Finding("settings", "wrong", str(error))
        return
    yield Finding("settings", "ok", f"read; local data lives in {settings.ci_metrics_home}")
    if open_to_others(settings.ci_metrics_home):
        yield Finding(
            "CI_METRICS_HOME",
            "missing",
            f"others may read it, raw logs included. Close it: chmod 700 {settings.ci_metrics_home}",
        )
    yield from _guarded("GitHub", lambda: _github(settings))
    yield from _guarded("index", lambda: _index(settings))
    hours = list(_hours(settings))
    yield from hours
    if not any(finding.state == "wrong" for finding in hours):
        yield from _guarded("set aside", lambda: _set_aside(settings))
    catalogue = list(_guarded("catalogue", lambda: _catalogue(settings)))
    yield from catalogue
    if any(finding.state == "wrong" for finding in catalogue):
        return  # nothing can be classified with it, and that is said
    yield from _guarded("classification", lambda: _classification(settings))


def _guarded(part: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from ask()
    except CiMetricsError as error:
        yield Finding(part, "wrong", str(error))


def _github(settings: Settings) -> Iterator[Finding]:
    if settings.is_sample:
        yield Finding(
            "GitHub",
            "missing",
            "no REPO is set, so the sample GitHub is used. Set GITHUB_TOKEN and REPO=owner/name for your own",
        )
        return
    with open_github(settings, cache=None) as github:
        known: list[str] = []
        for owner in owners_to_list(settings.repositories):
            yield from _guarded(f"GitHub {owner}/*", partial(_owner, github, owner, settings, known))
        repos = chosen(settings.repositories, known)
        for repo in repos[:SHOWN_REPOS]:
            yield from _guarded(f"GitHub {repo}", partial(_repository, github, repo))
        if len(repos) > SHOWN_REPOS:
            yield Finding("GitHub", "ok", f"{len(repos) - SHOWN_REPOS} more repositories, not asked for one by one")
        for quota in github.rate_limits(repos):
            yield Finding(
                "GitHub quota",
                "ok",
                f"{quota.remaining} of {quota.limit} requests left until {quota.reset_at:%H:%M} UTC",
            )


def _owner(github: GitHub, owner: str, settings: Settings, known: list[str]) -> Iterator[Finding]:
    known += github.repositories(owner)
    meant = [repo for repo in chosen(settings.repositories, known) if repo.lower().startswith(f"{owner.lower()}/")]
    state: Literal["ok", "wrong"] = "ok" if meant else "wrong"
    yield Finding(f"GitHub {owner}/*", state, f"{len(meant)} repositories, archived ones left out")


def _repository(github: GitHub, repo: str) -> Iterator[Finding]:
    yield Finding(f"GitHub {repo}", "ok", f"readable, {github.check_repo(repo).runs} workflow runs")


def _index(settings: Settings) -> Iterator[Finding]:
    """Makes none: the first upload does."""
    kind = (
        "OpenSearch"
        if settings.uses_opensearch
        else "the embedded index (no WORKFLOW_INDEX, JOB_INDEX, STEPS_INDEX set)"
    )
    try:
        refuse_no_file(settings)
        with closing(open_index(settings)) as index:
            said = "is empty at" if is_empty(index) else "answers at"
            yield Finding("index", "ok", f"{kind} {said} {index.location}")
    except NotFoundError as error:
        yield Finding("index", "missing", f"{kind}: {error}")


def _hours(settings: Settings) -> Iterator[Finding]:
    """Where HOURS_URL is. Makes no bucket."""
    if settings.hours_url is None:
        return
    root, where = settings.hours_root, mask_url(settings.hours_url)
    try:
        if is_local(root):
            made = "is there" if root.is_dir() else "is made by the first upload"
            yield Finding("HOURS_URL", "ok", f"the folder {where} {made}")
        elif keeps_conditions(root):
            yield Finding("HOURS_URL", "ok", f"{where} can be written, and keeps processes apart")
        else:
            yield Finding(
                "HOURS_URL",
                "wrong",
                f"{where} writes over an object that is there although it is told not to (If-None-Match): two pods at once "
                "could submit one batch twice. Use one pod at a time, or a store with conditional writes",
            )
    except Exception as error:  # noqa: BLE001 - each store's library has its own
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        advice = "Check the address, its credentials, and that the bucket is there: ci-metrics makes none"
        yield Finding("HOURS_URL", "wrong", f"{where} cannot be written ({redact(said)[0]}). {advice}")
        return
    if settings.shares_hours_alone:
        yield Finding("index", "missing", ONLY_HERE)


def _set_aside(settings: Settings) -> Iterator[Finding]:
    part = HoursPart(settings)
    for repo, each in part.failing.read().items():
        if each.is_set_aside and repo in part.repos:
            said = f"failed {each.tries} times in a row, so it is asked once a day: {each.why}"
            yield Finding(f"set aside {repo}", "wrong", f"{said}. `ci-metrics upload` asks at once")
    rows = health_of(settings, part.store, None, part.now()).set_aside
    for line in aside_lines([row for row in rows if row.needs_a_person]):
        yield Finding("set aside", "wrong", line)
    for line in aside_lines([row for row in rows if not row.needs_a_person]):
        yield Finding("set aside", "missing", f"{line}; it is tried again by itself")
    if not rows:
        yield Finding("set aside", "ok", "nothing: all that was asked for could be done")


def _catalogue(settings: Settings) -> Iterator[Finding]:
    catalogue = catalogue_in_force(settings.catalogue_dir)
    own = "none of your own (no CATALOGUE_DIR)"
    if settings.catalogue_dir is not None:
        replaced = len(catalogue.own & load_catalogue().by_id.keys())
        own = f"{len(catalogue.own)} of them your own ({settings.catalogue_dir}), of which {replaced} replace shipped ones"
    said = f"{len(catalogue.messages)} messages, version {catalogue.version}, {own}; extractor {extractor_version(catalogue)}"
    yield Finding("catalogue", "ok", said)


def _classification(settings: Settings) -> Iterator[Finding]:
    catalogue = catalogue_in_force(settings.catalogue_dir)
    if not settings.enable_error_classification and not settings.is_sample:
        yield Finding("classification", "missing", "off. Set ENABLE_ERROR_CLASSIFICATION=true to learn why jobs fail")
        return
    taxonomy = taxonomy_in_force(settings.taxonomy_file, catalogue)
    yield Finding("classification", "ok", f"on, {len(taxonomy.names)} categories")
    model = model_in_force()
    yield Finding(
        "embedded classifier",
        "ok",
        f"version {decision_version(catalogue)}, the shipped weights: {len(model.weights):,} features for the category, "
        f"{len(weights_in_force().features):,} for the line that names a failure",
    )
    if settings.anthropic_api_key is None:
        yield Finding("model", "missing", "no ANTHROPIC_API_KEY, so the embedded classifier answers")
        return
    yield _model(settings, settings.anthropic_api_key.get_secret_value())


def _model(settings: Settings, key: str) -> Finding:
    """Asks the endpoint for the model's description: free, and it proves address, key and name."""
    base = settings.api_base_url or DEFAULT_ENDPOINTS[settings.api_format]
    if settings.api_format == "anthropic":
        url, headers = (
            f"{base}/v1/models/{settings.anthropic_model}",
            {"x-api-key": key, "anthropic-version": "2023-06-01"},
        )
    else:
        url, headers = f"{base}/models", {"authorization": f"Bearer {key}"}
    try:
        answer = httpx.get(url, headers=headers, timeout=PATIENCE)
    except httpx.HTTPError as error:
        return Finding(
            "model", "wrong", f"{base} does not answer ({type(error).__name__}). Check API_BASE_URL and the network"
        )
    if answer.status_code in (401, 403):
        return Finding(
            "model",
            "wrong",
            f"{base} refuses the key (HTTP {answer.status_code}). Check ANTHROPIC_API_KEY and API_FORMAT",
        )
    if answer.status_code == 404:
        return Finding(
            "model",
            "wrong",
            f"{base} does not know {settings.anthropic_model} (HTTP 404). Check ANTHROPIC_MODEL and API_BASE_URL",
        )
    if answer.is_error:
        return Finding(
            "model", "wrong", f"{base} answers HTTP {answer.status_code}. Try again later, or check API_BASE_URL"
        )
    return Finding("model", "ok", f"{settings.anthropic_model} at {base}, {settings.max_rpm} requests a minute at most")
