"""The questions that agents may ask, answered from the index, GitHub, or a log. All only read.

Belongs here: which parts answer which question, and the bounds of what is asked. Does not: the form
of the replies (`replies.py`), the protocol (`mcp_server.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ci_metrics.agents import records, replies
from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.commands.job_lookup import explained_job, explained_run, shown_lines
from ci_metrics.commands.judged_log import opened_judge
from ci_metrics.commands.log_input import opened
from ci_metrics.commands.open_index import reading_index
from ci_metrics.errors import NotFoundError, SettingsError
from ci_metrics.history.attempts import attempt_of, failed_attempts
from ci_metrics.history.failures import failure_of
from ci_metrics.history.flakiest import flakiest
from ci_metrics.history.flaky_evidence import evidence_for
from ci_metrics.history.groups import groups
from ci_metrics.history.job_counts import collect
from ci_metrics.history.job_reference import RunReference, is_id, known_job, read_reference, read_run
from ci_metrics.history.pull_request import read_pull_request
from ci_metrics.history.search import Filters, find_failures, repositories
from ci_metrics.history.story import told_spells
from ci_metrics.history.time_range import TIME, asked_window, default_window, newest_document
from ci_metrics.index.document_index import Document, Where
from ci_metrics.orchestration.job_details import log_window
from ci_metrics.settings import Settings

#: Lines of a log in one reply.
MOST_LOG_LINES = 100

#: Characters of a log that an agent may hand over.
MOST_TEXT = 1_000_000

AskedJob = Annotated[
    str, Field(description="A job: its id, its document (github-job-1-attempt-1), or its page's address on GitHub.")
]
Repo = Annotated[str, Field(description="owner/name; * and ? may stand in it; empty: all.")]
Limit = Annotated[int, Field(description="At most so many.", ge=1, le=records.MOST)]
From = Annotated[str, Field(description="Start: 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w before now.")]


class Questions:
    """What can be asked. Each public method is a tool: its docstring is what an agent reads."""

    def __init__(self, settings: Settings, logs: Sequence[Path] = ()) -> None:
        """`logs`: files, and folders of files, that agents may ask about; no others are read."""
        self._settings, self._logs = settings, tuple(logs)

    def why_did_this_job_fail(self, job: AskedJob) -> records.JobReply:
        """Why one CI job failed: category, confidence, cause, the log lines that prove it, whether
        it is flaky, what failed like it before. A job in no index is fetched from GitHub and
        judged, where there is a token.
        """
        return records.JobReply(job=replies.explained_reply(explained_job(self._settings, read_reference(job))))

    def why_did_this_run_fail(
        self, run: Annotated[str, Field(description="The address of the run's page on GitHub, or the run's id.")]
    ) -> records.RunReply:
        """Why a workflow run failed: each failed job with its cause; jobs that failed only because
        others did are named apart.
        """
        reference = RunReference(run_id=run.strip()) if is_id(run.strip()) else read_run(run)
        if reference is None:
            raise SettingsError("run", f"“{run}” names no run", "Give the address of its page, or its id")
        return replies.run_reply(explained_run(self._settings, reference))

    def why_did_this_pull_request_fail(
        self,
        repo: Annotated[str, Field(description="owner/name")],
        number: Annotated[int, Field(description="The pull request's number.", ge=1)],
    ) -> records.RunReply:
        """Why CI failed on a pull request's newest commit, and which of its failures also stand on
        the base branch (so that the change did not cause them).
        """
        with reading_index(self._settings) as index:
            (name,) = _one(repositories(index, repo), repo)
            return replies.pull_request_reply(read_pull_request(index, name, number, now=datetime.now(UTC)))

    def what_is_broken_now(self, repo: Repo = "") -> records.BrokenReply:
        """Which default branches are red right now, since when, and between which two commits each
        broke.
        """
        with reading_index(self._settings) as index:
            repos = repositories(index, repo)
            window = default_window(index, datetime.now(UTC), repos)
            told = told_spells(index, failed_attempts(index, window.where(repos)), window)
            red = [each for each in told if each.spell.ended is None]
            bodies = index.get("jobs", [each.spell.failures[-1] for each in red])
            newest = {id_: failure_of(Document("jobs", id_, body)) for id_, body in bodies.items()}
            return replies.broken_reply(red, newest, newest_document(index) or window.end)

    def is_this_flaky(
        self,
        job: Annotated[str, Field(description="A failed job: id, document or address. Or empty.")] = "",
        name: Annotated[str, Field(description="Part of a job's or test's name, when no job is given.")] = "",
    ) -> records.FlakyReply:
        """Whether a failure is flaky, by evidence: the same commit and job passed in a later
        attempt. Or, by a name, how often a test or job was flaky in the last four weeks.
        """
        with reading_index(self._settings) as index:
            if job:
                found = evidence_for(index, attempt_of(known_job(index, job)))
                if found is None:
                    said = "Cannot be said: the error has no telling fingerprint."
                    return records.FlakyReply(verdict=said, suspected=False, confirmed=False)
                return records.FlakyReply(
                    verdict=found.why,
                    suspected=found.suspected,
                    confirmed=found.confirmed,
                    passed_in=found.passed_in,
                    elsewhere=found.elsewhere[: records.MOST],
                    on_base=found.on_base[: records.MOST],
                )
            window = default_window(index, datetime.now(UTC), ())
            both = flakiest(index, window.where())
            fits = [each for each in (*both.tests, *both.jobs) if name.lower() in each.name.lower()]
            said = f"{len(fits)} flaky jobs and tests of that name in {window}." if name else f"All of {window}."
            return records.FlakyReply(
                verdict=said if fits else f"Nothing of that name was flaky in {window}.",
                suspected=bool(fits),
                confirmed=any(each.confirmed for each in fits),
                flakes=tuple(map(replies.flake_reply, fits[: records.MOST])),
            )

    def search_failures(
        self,
        text: Annotated[str, Field(description="Words that all occur in summary, quote or hint.")] = "",
        category: Annotated[str, Field(description="Like timeout or network_error (see the taxonomy).")] = "",
        repo: Repo = "",
        workflow: str = "",
        job_name: str = "",
        branch: str = "",
        step: str = "",
        since: From = "",
        limit: Limit = 10,
    ) -> records.ListReply:
        """Find failed jobs, newest first, by words, category, repository, workflow, job, branch,
        step and time. Names may hold * and ?.
        """
        filters = Filters(
            text=text,
            type=category,
            repo=repo,
            workflow=workflow,
            job=job_name,
            branch=branch,
            step=step,
            window=asked_window(since or None, None, datetime.now(UTC)),
        )
        with reading_index(self._settings) as index:
            found = find_failures(index, filters, limit + 1)
        return records.ListReply(
            failures=tuple(replies.failure_reply(failure_of(document)) for document in found[:limit]),
            more=len(found) > limit,
        )

    def show_log_lines(
        self,
        line: Annotated[int, Field(description="The line in the middle, from 1.", ge=1)],
        job: Annotated[str, Field(description="A job: id, document or address. Or empty, with log.")] = "",
        log: Annotated[str, Field(description="The name of a log this server was given.")] = "",
        before: Annotated[int, Field(ge=0, le=MOST_LOG_LINES // 2)] = 20,
        after: Annotated[int, Field(ge=0, le=MOST_LOG_LINES // 2)] = 20,
    ) -> records.LinesReply:
        """The lines of a job's log around one line, secrets masked."""
        first, last = max(1, line - before), line + min(after, MOST_LOG_LINES - 1 - min(before, line - 1))
        if job:
            lines = shown_lines(self._settings, read_reference(job), first, last)
        else:
            with opened(str(self._log(log))) as stream:
                lines = log_window(stream, first, last)
        if not lines:
            raise NotFoundError(f"the log has no line {line}")
        return replies.lines_reply(lines)

    def failures_like_this(
        self,
        job: Annotated[str, Field(description="A failed job: id, document or address. Or empty, with group.")] = "",
        group: Annotated[str, Field(description="A group's id, as other replies name it.")] = "",
        limit: Limit = 5,
    ) -> records.LikeReply:
        """All failures with the same cause as this one: how often, since when, where, and the
        newest.
        """
        with reading_index(self._settings) as index:
            wanted = group or str(known_job(index, job).body.get("s_error_group") or "")
            where = Where(equals={"s_error_group": wanted})
            found = groups(index, where) if wanted else []
            if not found:
                raise NotFoundError(f"no failure has the group “{wanted}”" if wanted else f"{job} has no group")
            newest = index.scan("jobs", where, sort=f"-{TIME}", limit=limit)
            return records.LikeReply(
                group=replies.group_reply(found[0]),
                failures=tuple(replies.failure_reply(failure_of(document)) for document in newest),
            )

    def why_did_this_log_fail(
        self,
        log: Annotated[str, Field(description="The name of a log this server was given.")] = "",
        text: Annotated[str, Field(description="Or the log itself.", max_length=MOST_TEXT)] = "",
    ) -> records.LogReply:
        """What kind of failure one log shows, and the lines that prove it. Needs no index."""
        with opened_judge(self._settings) as judge:
            if text:
                return replies.log_reply(judge.judge(text.encode("utf-8", "replace")))
            with opened(str(self._log(log))) as stream:
                return replies.log_reply(judge.judge(stream, name="the log"))

    def report(self) -> records.ReportReply:
        """The last four weeks: jobs, failures, rate, lost hours, biggest causes, flakiest tests."""
        with reading_index(self._settings) as index:
            window = default_window(index, datetime.now(UTC), ())
            where = window.where()
            return replies.report_reply(collect(index, window), groups(index, where), flakiest(index, where).tests)

    def taxonomy(self) -> tuple[records.CategoryReply, ...]:
        """The categories that a failure can have."""
        catalogue = catalogue_in_force(self._settings.catalogue_dir)
        return replies.taxonomy_reply(taxonomy_in_force(self._settings.taxonomy_file, catalogue))

    def _log(self, name: str) -> Path:
        """The file of that name among those that may be read. Raises NotFoundError naming them."""
        files = {str(path): path for path in self._logs if path.is_file()}
        for folder in (path for path in self._logs if path.is_dir()):
            # A link may lead out of the folder: it is not followed.
            inside = (each for each in sorted(folder.rglob("*")) if each.is_file() and not each.is_symlink())
            files |= {str(each.relative_to(folder)): each for each in inside}
        if not name and len(files) == 1:
            return next(iter(files.values()))
        if name in files:
            return files[name]
        named = ", ".join(map(replies.name_text, list(files)[: records.MOST]))
        there = named or "none: name them when starting, ci-metrics mcp LOG…"
        raise NotFoundError(f"no log “{replies.name_text(name)}” was given to this server. There is {there}")


def _one(found: Sequence[str], asked: str) -> tuple[str]:
    if len(found) != 1:
        raise SettingsError("repo", f"“{asked}” stands for {', '.join(found) or 'none'}", "Write the one repository")
    return (found[0],)
