"""What the sample GitHub answers to a good request: addresses and what they give.

What belongs here: from a method, a path and a query to a status and a JSON value, as GitHub
documents them. Does not: sockets, tokens, limits, ETags, faults (`server_http.py`), fields
(`payloads.py`), pages (`server_question.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import unquote

from ci_metrics.sample import payloads, payloads_commits, payloads_repo
from ci_metrics.sample.commits import commit_at, commits_between
from ci_metrics.sample.server_artifacts import artifact_json
from ci_metrics.sample.server_question import Reply, SampleRequest, created_filter, missing, paged
from ci_metrics.sample.world import AttemptSpec, JobSpec, Moment, RunSpec

#: A search with a filter gives at most so many results (GitHub's documentation of "List workflow
#: runs for a repository").
SEARCH_CAP = 1000
_FILTERS = ("actor", "branch", "check_suite_id", "created", "event", "head_sha", "status")


def _runs(question: SampleRequest, repo: str) -> Reply:
    return _listed(question, list(reversed(question.moment.runs(repo))))


def _workflow_runs(question: SampleRequest, repo: str, workflow: str) -> Reply:
    """Of one workflow, by its id or its file's name."""
    own = [run for run in reversed(question.moment.runs(repo)) if _is_of(run, workflow)]
    known = any(run.repo == repo and _is_of(run, workflow) for run in question.moment.world.runs)
    return _listed(question, own) if known else missing()


def _is_of(run: RunSpec, workflow: str) -> bool:
    return workflow in (str(run.workflow_id), run.workflow_path.rpartition("/")[2])


def _listed(question: SampleRequest, runs: list[RunSpec]) -> Reply:
    query, moment = question.query, question.moment
    if "created" in query:
        try:
            inside = created_filter(query["created"])
        except ValueError:
            return missing(f"Invalid created filter: {query['created']}", 422)
        runs = [run for run in runs if inside(run.created_at)]
    if "branch" in query:
        runs = [run for run in runs if run.head_branch == query["branch"]]
    if "event" in query:
        runs = [run for run in runs if run.event == query["event"]]
    if "head_sha" in query:
        runs = [run for run in runs if run.head_sha == query["head_sha"]]
    if "status" in query:
        # GitHub takes a status or a conclusion here, of the run's latest attempt.
        runs = [run for run in runs if query["status"] in _stands(moment, run)]
    total = len(runs)
    shown = runs[:SEARCH_CAP] if any(name in query for name in _FILTERS) else runs
    reply = paged(question, "workflow_runs", shown, lambda run: _latest(question, run))
    if isinstance(reply.value, dict) and "total_count" in reply.value and not question.faults.capped_total:
        reply.value["total_count"] = total
    return reply


def _stands(moment: Moment, run: RunSpec) -> tuple[str, ...]:
    latest = run.attempts_at(moment.now)[-1]
    status = moment.attempt_status(latest)
    return (status, latest.final_conclusion) if status == "completed" else (status,)


def _latest(question: SampleRequest, run: RunSpec) -> payloads_repo.Json:
    moment = question.moment
    return payloads.run(question.base, moment, run, run.attempts_at(moment.now)[-1])


def _attempt(run: RunSpec, number: str, now: datetime) -> AttemptSpec | None:
    return next((a for a in run.attempts_at(now) if a.number == int(number)), None)


def _run(question: SampleRequest, repo: str, run_id: str) -> Reply:
    run = question.moment.run(repo, int(run_id))
    return missing() if run is None else Reply(200, _latest(question, run))


def _run_attempt(question: SampleRequest, repo: str, run_id: str, number: str) -> Reply:
    run = question.moment.run(repo, int(run_id))
    attempt = _attempt(run, number, question.moment.now) if run is not None else None
    if run is None or attempt is None:
        return missing()
    return Reply(200, payloads.run(question.base, question.moment, run, attempt))


def _jobs(question: SampleRequest, run: RunSpec, listed: Sequence[tuple[int, JobSpec]]) -> Reply:
    base, moment = question.base, question.moment
    return paged(question, "jobs", listed, lambda pair: payloads.job(base, moment, run, pair[0], pair[1]))


def _attempt_jobs(question: SampleRequest, repo: str, run_id: str, number: str) -> Reply:
    now = question.moment.now
    run = question.moment.run(repo, int(run_id))
    if run is None or _attempt(run, number, now) is None:
        return missing()
    return _jobs(question, run, run.jobs_listed(int(number), now))


def _run_jobs(question: SampleRequest, repo: str, run_id: str) -> Reply:
    now = question.moment.now
    run = question.moment.run(repo, int(run_id))
    if run is None:
        return missing()
    if question.query.get("filter", "latest") == "all":
        attempts = run.attempts_at(now)
        return _jobs(question, run, [(a.number, j) for a in attempts for j in a.jobs if j.created_at <= now])
    return _jobs(question, run, run.jobs_listed(run.attempts_at(now)[-1].number, now))


def _job(question: SampleRequest, repo: str, job_id: str) -> Reply:
    found = question.moment.job(repo, int(job_id))
    if found is None:
        return missing()
    run, attempt, job = found
    return Reply(200, payloads.job(question.base, question.moment, run, attempt.number, job))


def _log(question: SampleRequest, repo: str, job_id: str) -> Reply:
    found = question.moment.job(repo, int(job_id))
    if found is None or question.moment.job_status(found[2]) != "completed" or found[2].log_answer == "not_found":
        return missing()
    if found[2].log_answer == "gone":
        return missing("Server Error", 410)  # as GitHub words it
    return Reply(302, None, {"location": question.log_url(int(job_id))})


def _artifacts(question: SampleRequest, repo: str, run_id: str) -> Reply:
    if question.moment.run(repo, int(run_id)) is None:
        return missing()
    now, base = question.moment.now, question.base
    made = [each for each in question.artifacts.get(int(run_id), ()) if each.created_at <= now]
    return paged(question, "artifacts", made, lambda spec: artifact_json(base, repo, spec))


def _artifact(question: SampleRequest, repo: str, artifact_id: str) -> Reply:  # noqa: ARG001 - a route's signature
    known = (each for several in question.artifacts.values() for each in several)
    found = next((each for each in known if each.artifact_id == int(artifact_id)), None)
    if found is None:
        return missing()
    if found.expired:
        return missing("Artifact has expired", 410)
    return Reply(302, None, {"location": question.log_url(int(artifact_id))})


def _check_runs(question: SampleRequest, repo: str, suite_id: str) -> Reply:
    moment = question.moment
    run = moment.run_of_suite(repo, int(suite_id))
    if run is None:
        return missing()
    jobs = [job for a in run.attempts_at(moment.now) for job in a.jobs if job.created_at <= moment.now]
    if question.query.get("filter", "latest") == "latest":
        jobs = [job for _, job in run.jobs_listed(run.attempts_at(moment.now)[-1].number, moment.now)]
    seen = [job for job in jobs if job.job_id not in question.faults.hidden_check_runs]
    return paged(question, "check_runs", seen, lambda job: payloads.check_run(question.base, moment, run, job))


def _check_run(question: SampleRequest, repo: str, check_run_id: str) -> Reply:
    found = question.moment.job(repo, int(check_run_id))
    if found is None:
        return missing()
    return Reply(200, payloads.check_run(question.base, question.moment, found[0], found[2]))


def _annotations(question: SampleRequest, repo: str, check_run_id: str) -> Reply:
    found = question.moment.job(repo, int(check_run_id))
    if found is None:
        return missing()
    done = question.moment.job_status(found[2]) == "completed"
    return paged(question, None, payloads.notes(found[0], found[2]) if done else [], lambda note: note)


def _repo(question: SampleRequest, repo: str) -> Reply:
    return Reply(200, _full(question, repo))


def _full(question: SampleRequest, repo: str) -> payloads_repo.Json:
    archived = repo in question.moment.world.archived
    return payloads_repo.full_repository(question.base, repo, archived=archived)


def _org_repos(question: SampleRequest, owner: str) -> Reply:
    is_person = owner in question.moment.world.people
    return missing() if is_person else _user_repos(question, owner)


def _user_repos(question: SampleRequest, owner: str) -> Reply:
    own = [repo for repo in question.moment.world.repos if repo.startswith(f"{owner}/")]
    return paged(question, None, own, lambda repo: _full(question, repo)) if own else missing()


def _installation_repos(question: SampleRequest) -> Reply:
    seen = [repo for repo in question.moment.world.repos if _sees(question, repo)]
    return paged(question, "repositories", seen, lambda repo: _full(question, repo))


def _sees(question: SampleRequest, repo: str) -> bool:
    return question.installed_on in ("", repo.partition("/")[0])


def _pulls(question: SampleRequest, repo: str) -> Reply:
    state, head, now = question.query.get("state", "open"), question.query.get("head"), question.moment.now
    found = []
    for pull in question.moment.pulls(repo):
        is_open = pull.closed_at is None or pull.closed_at > now
        owner = pull.head_repo.partition("/")[0]
        # GitHub ignores a head without an owner.
        fits = head is None or ":" not in head or head == f"{owner}:{pull.head_branch}"
        if fits and (state == "all" or is_open == (state == "open")):
            found.append(pull)
    return paged(question, None, found, lambda pull: payloads_repo.pull(question.base, pull, now, 0))


def _pull(question: SampleRequest, repo: str, number: str) -> Reply:
    pull = next((p for p in question.moment.pulls(repo) if p.number == int(number)), None)
    if pull is None:
        return missing()
    count = len(question.comments.of(repo, pull.number))
    return Reply(200, payloads_repo.pull(question.base, pull, question.moment.now, count))


def _comments(question: SampleRequest, repo: str, number: str) -> Reply:
    issue, comments, base = int(number), question.comments, question.base
    if all(pull.number != issue for pull in question.moment.pulls(repo)):
        return missing()
    if question.method == "POST":
        text = question.body.get("body")
        if not isinstance(text, str) or not text:
            return missing("Validation Failed", 422)
        made = comments.add(repo, issue, text, question.login, question.moment.now)
        return Reply(201, made.as_json(base))
    return paged(question, None, comments.of(repo, issue), lambda comment: comment.as_json(base))


def _comment(question: SampleRequest, repo: str, comment_id: str) -> Reply:
    found, text = question.comments.get(repo, int(comment_id)), question.body.get("body")
    if found is None:
        return missing()
    if question.method == "PATCH":
        if not isinstance(text, str) or not text:
            return missing("Validation Failed", 422)
        found = question.comments.edit(found.comment_id, text, question.moment.now)
    return Reply(200, found.as_json(question.base))


def _graphql(question: SampleRequest) -> Reply:
    """The one question that is known here: check runs by their node ids, with annotations."""
    variables = question.body.get("variables")
    ids = variables.get("ids") if isinstance(variables, dict) else None
    if "... on CheckRun" not in str(question.body.get("query")) or not isinstance(ids, list) or len(ids) > 100:
        return Reply(200, {"errors": [{"type": "undefinedField", "message": "Only check runs by id are known here"}]})
    return Reply(200, {"data": {"nodes": [_check_node(question, str(node)) for node in ids]}})


def _check_node(question: SampleRequest, node: str) -> payloads_repo.Json | None:
    moment = question.moment
    number = int(node[3:], 16) if node.startswith("CR_") else -1
    repo = moment.world.repo_of_job(number)
    found = moment.job(repo, number) if repo and _sees(question, repo) else None
    if found is None or number in question.faults.hidden_check_runs:
        return None
    return payloads.check_node(moment, found[0], found[2])


def _commit(question: SampleRequest, repo: str, ref: str) -> Reply:
    found = commit_at(question.moment, repo, unquote(ref))
    if found is None:
        return missing(f"No commit found for SHA: {ref}", 422)
    return Reply(200, payloads_commits.commit(question.base, found))


def _commit_pulls(question: SampleRequest, repo: str, sha: str) -> Reply:
    found, now = commit_at(question.moment, repo, sha), question.moment.now
    if found is None:
        return missing(f"No commit found for SHA: {sha}", 422)
    pulls = [pull for pull in question.moment.pulls(repo) if pull.number in found.pulls]
    return paged(question, None, pulls, lambda pull: payloads_repo.pull(question.base, pull, now, 0))


def _compare(question: SampleRequest, repo: str, base: str, head: str) -> Reply:
    first, last = commit_at(question.moment, repo, unquote(base)), commit_at(question.moment, repo, unquote(head))
    between = commits_between(question.moment, first, last) if first and last else None
    if first is None or last is None or between is None:
        return missing()
    return Reply(200, payloads_commits.comparison(question.base, first, last, between))


def _contents(question: SampleRequest, repo: str, path: str) -> Reply:
    """A file; it is the same at every commit."""
    path = unquote(path)
    text = question.moment.world.files.get(repo, {}).get(path)
    if text is None:
        return missing()
    return Reply(200, payloads_commits.content(question.base, repo, path, text, question.query.get("ref", "main")))


_R = r"/repos/([^/]+/[^/]+)"

#: kind of request -> (methods, pattern, answer). The kinds are what `server.stats` counts
#: and what a fault is `on`.
ROUTES: dict[str, tuple[tuple[str, ...], re.Pattern[str], Callable[..., Reply]]] = {
    kind: (methods, re.compile(pattern), answer)
    for kind, methods, pattern, answer in (
        ("repo", ("GET",), _R, _repo),
        ("runs", ("GET",), _R + r"/actions/runs", _runs),
        ("workflow_runs", ("GET",), _R + r"/actions/workflows/([^/]+)/runs", _workflow_runs),
        ("run", ("GET",), _R + r"/actions/runs/(\d+)", _run),
        ("attempt", ("GET",), _R + r"/actions/runs/(\d+)/attempts/(\d+)", _run_attempt),
        ("jobs", ("GET",), _R + r"/actions/runs/(\d+)/attempts/(\d+)/jobs", _attempt_jobs),
        ("run_jobs", ("GET",), _R + r"/actions/runs/(\d+)/jobs", _run_jobs),
        ("job", ("GET",), _R + r"/actions/jobs/(\d+)", _job),
        ("log", ("GET",), _R + r"/actions/jobs/(\d+)/logs", _log),
        ("artifacts", ("GET",), _R + r"/actions/runs/(\d+)/artifacts", _artifacts),
        ("artifact", ("GET",), _R + r"/actions/artifacts/(\d+)/zip", _artifact),
        ("check_runs", ("GET",), _R + r"/check-suites/(\d+)/check-runs", _check_runs),
        ("check_run", ("GET",), _R + r"/check-runs/(\d+)", _check_run),
        ("annotations", ("GET",), _R + r"/check-runs/(\d+)/annotations", _annotations),
        ("pulls", ("GET",), _R + r"/pulls", _pulls),
        ("pull", ("GET",), _R + r"/pulls/(\d+)", _pull),
        ("commit", ("GET",), _R + r"/commits/([^/]+)", _commit),
        ("commit_pulls", ("GET",), _R + r"/commits/([0-9a-f]{7,40})/pulls", _commit_pulls),
        ("compare", ("GET",), _R + r"/compare/([^/]+)\.\.\.([^/]+)", _compare),
        ("contents", ("GET",), _R + r"/contents/(.+)", _contents),
        ("comments", ("GET", "POST"), _R + r"/issues/(\d+)/comments", _comments),
        ("comment", ("GET", "PATCH"), _R + r"/issues/comments/(\d+)", _comment),
        ("repositories", ("GET",), r"/orgs/([^/]+)/repos", _org_repos),
        ("user_repos", ("GET",), r"/users/([^/]+)/repos", _user_repos),
        ("graphql", ("POST",), r"/graphql", _graphql),
        ("installation_repos", ("GET",), r"/installation/repositories", _installation_repos),
    )
}


def request_kind(method: str, path: str) -> str | None:
    """The kind of a request; None when there is no such address."""
    for kind, (methods, pattern, _) in ROUTES.items():
        if method in methods and pattern.fullmatch(path):
            return kind
    return None


def answer(kind: str, question: SampleRequest) -> Reply:
    """The reply to a request of this kind; a repository that the world does not
    have is a 404, as at GitHub.
    """
    _, pattern, route = ROUTES[kind]
    found = pattern.fullmatch(question.path)
    if found is None:
        return missing()
    if pattern.pattern.startswith(_R):
        repo = found.group(1)
        if repo not in question.moment.world.repos or not _sees(question, repo):
            return missing()
    return route(question, *found.groups())
