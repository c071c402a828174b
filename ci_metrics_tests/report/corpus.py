"""A generator of realistic documents: a few weeks of three repositories' CI,
the same for the same seed.

The causes, names and log lines are made up here. `hostile` strings are what an
attacker would put into a log.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ci_metrics.index.document_index import Body, Document
from ci_metrics.index.times import iso

END = datetime(2026, 11, 23, tzinfo=UTC)

HOSTILE = (
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "{{ 7*7 }} {% for x in y %}",
    "</style><svg onload=window.hacked=1>",
    "`@octocat` closes #1 [x](javascript:window.hacked=1) ![i](https://evil.example/i.png)",
)


@dataclass(frozen=True)
class Cause:
    """A kind of failure that comes back."""

    group: str
    type: str
    summary: str
    quote: str
    step: str
    repos: tuple[int, ...]
    weight: float
    since: float = 1.0  # the share of the stretch, counted from its end, in which it occurs
    flaky: bool = False
    confidence: float = 0.93


CAUSES = (
    Cause("g1-conn-reset", "network_error", "The connection to the artefact store was reset while a wheel was being downloaded.",
          "ConnectionResetError: [Errno 104] Connection reset by peer while fetching store.internal/wheels/",
          "Install dependencies", (0, 1, 2), 7),
    Cause("g1-assert-price", "assertion_failure", "A rounding test expects 19.99 and gets 19.98 since the switch to decimal prices.",
          "E       AssertionError: assert Decimal('19.98') == Decimal('19.99')", "Run unit tests", (0,), 9, 0.35),
    Cause("g1-oom-link", "resource_exhaustion", "The linker was killed: the runner's memory ran out while linking the debug build.",
          "collect2: fatal error: ld terminated with signal 9 [Killed]", "Build debug", (1,), 5),
    Cause("g1-borrow", "compilation_error", "A value is used after it was moved into the worker closure.",
          "error[E0382]: borrow of moved value: `settings`", "cargo build", (1,), 4, 0.2),
    Cause("g1-resolve", "dependency_error", "Two packages ask for incompatible versions of the same plug-in, so nothing can be installed.",
          "npm ERR! ERESOLVE could not resolve: peer render-kit@\"^4\" from charts-lite@2.3.0", "npm ci", (2,), 6, 0.12),
    Cause("g1-e2e-timeout", "timeout", "The checkout page did not become ready within 30 seconds in the end-to-end test.",
          "TimeoutError: locator('#pay') was not visible within 30000ms", "End-to-end tests", (2, 0), 8, 1.0, True),
    Cause("g1-secret", "configuration_error", "The deployment token is not set for pull requests from forks.",
          "Error: Input required and not supplied: deploy-token", "Deploy preview", (2,), 3),
    Cause("g1-docker-limit", "infrastructure_error", "The image registry refused the pull because its rate limit was reached.",
          "toomanyrequests: You have reached your pull rate limit", "Start services", (0, 1, 2), 4),
    Cause("g1-segv", "runtime_error", "The worker crashed with a segmentation fault in the image codec.",
          "Fatal Python error: Segmentation fault in codec/resize.c", "Run unit tests", (0,), 2, 0.5),
    Cause("g1-race", "flaky_test", "The queue test depends on the order in which two workers finish; it passes on re-run.",
          "FAILED tests/test_queue.py::test_two_workers - assert ['b', 'a'] == ['a', 'b']", "Run unit tests", (0,), 6, 1.0, True),
    Cause("g1-disk", "resource_exhaustion", "The disk of the runner was full while the layer cache was being written.",
          "write /var/lib/cache/layer.tar: no space left on device", "Build image", (1, 2), 2, 0.04),
)  # fmt: skip

REPOS = ("acme/shop", "acme/engine", "acme/site")
WORKFLOWS = (
    (("CI", ("unit (3.11)", "unit (3.12)", "lint", "e2e")), ("Nightly", ("soak", "image"))),
    (("Build", ("debug (linux)", "release (linux)", "clippy")), ("Release", ("package",))),
    (("Site", ("build", "e2e", "preview")),),
)
RUNNERS = ((["ubuntu-latest"], 12), (["self-hosted", "gpu"], 420), (["macos-14"], 95))
MODEL = "small-model-1"


def corpus(days: int = 28, seed: int = 7, end: datetime = END, per_day: int = 14) -> list[Document]:
    """Workflow, job and step documents of the `days` before `end`."""
    rng = random.Random(seed)
    documents: list[Document] = []
    for day in range(days):
        start = end - timedelta(days=days - day)
        weekend = start.weekday() >= 5
        for number in range(per_day // 3 if weekend else per_day):
            created = start + timedelta(minutes=rng.randint(0, 1380))
            documents += _run(rng, day * 1000 + number, created, (days - day) / days)
    return documents


def hostile_corpus(end: datetime = END) -> list[Document]:
    """A day on which every text of every document is an attack."""
    documents = corpus(2, end=end, per_day=20)
    for place, document in enumerate(documents):
        nasty = HOSTILE[place % len(HOSTILE)]
        body = document.body
        for name in ("s_workflow_name", "s_job_name", "s_branch", "s_user_alias", "s_repo"):
            if name in body:
                body[name] = nasty
        for part in (body, *body.get("errors", [])):
            for name in ("s_error_summary", "s_error_evidence", "s_error_group", "s_step_name", "s_suggested_fix"):
                if name in part:
                    part[name] = nasty
            if "s_error_log_url" in part:
                part["s_error_log_url"] = "javascript:window.hacked=1"
        body["s_html_url"] = "javascript:window.hacked=1"
    return documents


def _run(rng: random.Random, number: int, created: datetime, left: float) -> list[Document]:
    repo = rng.choices(range(3), (5, 3, 4))[0]
    workflow, names = rng.choice(WORKFLOWS[repo])
    run_id = 9_000_000 + number
    on_pr = workflow in ("CI", "Build", "Site") and rng.random() < 0.7
    pr = str(100 + number % 37) if on_pr else "N/A"
    common: Body = {
        "s_repo": REPOS[repo], "s_workflow_id": str(run_id), "s_workflow_name": workflow,
        "s_github_event": "pull_request" if on_pr else "push", "s_branch": f"topic-{number % 37}" if on_pr else "main",
        "s_pr_id": pr, "s_commit_sha": f"{number * 7919:040x}"[-40:], "s_user_alias": rng.choice(("ada", "bo", "cy")),
        "ts_creation_time": iso(created), "s_partition": created.strftime("%Y-%m-%dT%H"),
        "s_dagster_run_id": "11111111-2222-3333-4444-555555555555",
    }  # fmt: skip
    documents: list[Document] = []
    failing = {job: _cause(rng, repo, left) for job in names if rng.random() < 0.16}
    again = list(names)
    for attempt in (1, 2):
        start = created + timedelta(minutes=40 * (attempt - 1))
        statuses: list[str] = []
        for place, job in enumerate(again):
            cause = failing.get(job)
            if attempt == 2 and cause is not None and (cause.flaky or rng.random() < 0.5):
                cause = None
            will_pass_later = attempt == 1 and cause is not None and cause.flaky
            documents += _job(
                rng, common, run_id * 10 + place + 50 * attempt, job, attempt, start, cause, will_pass_later
            )
            statuses.append(documents[-1].body["s_status"] if documents[-1].kind == "jobs" else "failure")
        status = "failure" if "failure" in statuses else "success"
        body = {
            **common, "@timestamp": iso(start + timedelta(minutes=30)), "s_status": status,
            "l_status_number": int(status == "failure"), "l_run_attempt": attempt, "l_retry_count": attempt - 1,
            "ts_start_time": iso(start), "ts_end_time": iso(start + timedelta(minutes=30)), "l_duration_sec": 1800,
            "s_html_url": f"https://github.com/{common['s_repo']}/actions/runs/{run_id}",
        }  # fmt: skip
        documents.append(Document("workflows", f"github-workflow-{run_id}-attempt-{attempt}", body))
        again = [job for job in again if job in failing]
        if not again or rng.random() < 0.55:
            break
    return documents


def _cause(rng: random.Random, repo: int, left: float) -> Cause | None:
    """A cause that occurs at this point of the stretch; None now and then:
    nothing was found in the log.
    """
    fitting = [cause for cause in CAUSES if repo in cause.repos and left <= cause.since]
    if rng.random() < 0.09:
        return Cause("", rng.choice(("unknown", "no_log", "no_error_found")), "", "", "Run", (repo,), 1)
    return rng.choices(fitting, [cause.weight / cause.since for cause in fitting])[0]


def _job(
    rng: random.Random,
    common: Body,
    job_id: int,
    name: str,
    attempt: int,
    start: datetime,
    cause: Cause | None,
    passed_later: bool,
) -> list[Document]:
    labels, wait = (
        RUNNERS[1] if name in ("soak", "release (linux)") else RUNNERS[2] if name == "preview" else RUNNERS[0]
    )
    waited = int(rng.expovariate(1 / wait))
    duration = rng.randint(90, 1500)
    begun = start + timedelta(seconds=waited)
    ended = begun + timedelta(seconds=duration)
    status = "success" if cause is None else "failure"
    url = f"https://github.com/{common['s_repo']}/actions/runs/{common['s_workflow_id']}/job/{job_id}"
    body: Body = {
        **common, "@timestamp": iso(ended), "s_status": status, "l_status_number": int(status == "failure"),
        "l_run_attempt": attempt, "l_retry_count": attempt - 1, "ts_creation_time": iso(start),
        "ts_start_time": iso(begun), "ts_end_time": iso(ended), "l_duration_sec": duration, "l_queue_time_sec": waited,
        "s_html_url": url, "s_job_id": str(job_id), "s_job_name": name, "s_runner_id": "5",
        "s_runner_name": f"{labels[-1]}-7", "s_runner_prefix": labels[-1], "s_runner_labels": labels,
        "l_annotation_count": 0, "l_annotation_failure_count": 0, "l_annotation_warning_count": 0, "l_annotation_notice_count": 0,
    }  # fmt: skip
    documents = [Document("jobs", f"github-job-{job_id}-attempt-{attempt}", body)]
    if cause is None:
        return documents
    error = _error_fields(rng, cause, url, passed_later)
    step = {k: v for k, v in body.items() if not k.startswith(("s_runner", "l_annotation", "l_queue"))}
    step |= {
        "s_step_id": f"{job_id}_4",
        "s_step_run_id": body["s_workflow_id"],
        "s_step_name": cause.step,
        "l_step_number": 4,
    }
    step["s_html_url"] = f"{url}#step:4:1"
    body |= error
    flaky_flags = {k: v for k, v in error.items() if not k.startswith("b_")}
    body["errors"] = [{**flaky_flags, "s_step_name": cause.step}] if "s_error_fingerprint" in error else []
    if not body["errors"]:
        del body["errors"]
    return [Document("steps", f"github-step-{job_id}_4-attempt-{attempt}", {**step, **error}), *documents]


def _error_fields(rng: random.Random, cause: Cause, url: str, passed_later: bool) -> Body:
    if not cause.group:
        said = (
            {"s_error_summary": "The log ends without an error line that any rule knows."}
            if cause.type == "unknown"
            else {}
        )
        spent = {"l_prompt_tokens": 0, "l_completion_tokens": 0, "l_cached_tokens": 0, "f_cost_usd": 0.0}
        return {"s_error_state": cause.type, **said, **spent}
    asked = rng.random() < 0.3
    line = rng.randint(120, 4000)
    source = "model" if asked else rng.choice(("rules", "reused"))
    return {
        "s_error_state": "classified", "s_error_type": cause.type, "s_error_base_type": cause.type,
        "s_error_summary": cause.summary,
        "f_error_confidence": round(min(1.0, cause.confidence + rng.uniform(-0.12, 0.06)), 2), "s_error_source": source,
        "s_error_evidence": cause.quote, "l_error_line": line, "s_error_log_url": f"{url}#step:4:{line - 100}",
        "s_error_fingerprint": f"f1-{cause.group[3:]}", "s_error_group": cause.group, "s_suggested_fix": "Look at the quoted line first.",
        "s_classifier_version": "v-test", **({"s_model": MODEL} if source != "rules" else {}),
        "l_prompt_tokens": 4200 if asked else 0, "l_completion_tokens": 180 if asked else 0,
        "l_cached_tokens": 3600 if asked else 0, "f_cost_usd": 0.0041 if asked else 0.0,
        "b_flaky_suspected": passed_later, "b_flaky_confirmed": passed_later and cause.type == "flaky_test",
    }  # fmt: skip
