"""`ci-metrics search`: failures by category, group, place, words and time.

Belongs here: options and columns. Does not: searching (`ci_metrics.history.search`).
"""

from __future__ import annotations

from datetime import UTC, datetime

from ci_metrics.commands.open_index import reading_index
from ci_metrics.commands.tables import NotNegative, Switch, print_cards, print_csv, print_json
from ci_metrics.history.failures import Failure, failure_of
from ci_metrics.history.gate_jobs import gates_of_runs, with_gates
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.history.time_range import asked_window
from ci_metrics.report.readable import cut, moment, some, spoken
from ci_metrics.report.responsibility import responsibility
from ci_metrics.settings import load_settings
from ci_metrics.telling_quote import headline

#: The fields in a CSV, in this order, after the document's id.
CSV_FIELDS = (
    "@timestamp", "s_repo", "s_workflow_name", "s_job_name", "s_step_name", "s_branch", "s_pr_id", "s_status", "l_run_attempt",
    "l_duration_sec", "s_error_state", "s_error_type", "f_error_confidence", "s_error_source", "s_error_summary", "s_error_evidence",
    "l_error_line", "s_error_group", "s_error_fingerprint", "s_error_log_url", "s_html_url", "s_error_domain", "s_error_path", "s_owner",
    "s_last_good_sha", "s_first_bad_sha",
)  # fmt: skip


def search(
    *,
    type: str = "",
    state: str = "",
    group: str = "",
    repo: str = "",
    workflow: str = "",
    job: str = "",
    branch: str = "",
    pr: str = "",
    step: str = "",
    owner: str = "",
    domain: str = "",
    text: str = "",
    from_: str | None = None,
    to: str | None = None,
    limit: NotNegative = 20,
    json: Switch = False,
    csv: Switch = False,
) -> None:
    """List failed jobs, newest first. Names may hold * and ?.

    Parameters
    ----------
    type
        Category, like timeout or network_error; of the ten also your own kinds of it.
    state
        classified, unknown, no_error_found, no_log, pending, llm_failed, or off.
    group
        Group of failures with one cause (ci-metrics top groups lists them).
    repo
        Repository, owner/name.
    workflow
        Workflow's name.
    job
        Job's name.
    branch
        Head branch.
    pr
        Pull request's number.
    step
        Step's name; failed steps are listed then, each with its own error.
    owner
        Owner, like @acme/payments, by OWNERS_FILE or the repository's CODEOWNERS.
    domain
        Who has to act: code, platform or unknown.
    text
        Words that all occur in summary, quote, hint or annotations.
    from_
        Start: 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w before now.
    to
        End, written the same way; a date alone means its whole day, an hour alone its whole hour.
    limit
        At most so many; 0 for all.
    json
        A JSON array of the documents' fields, each with its id.
    csv
        A header and a line for each failure.
    """
    window = asked_window(from_, to, datetime.now(UTC))
    filters = Filters(
        type=type,
        state=state,
        group=group,
        repo=repo,
        workflow=workflow,
        job=job,
        branch=branch,
        pr=pr,
        step=step,
        owner=owner,
        domain=domain,
        text=text,
        window=window,
    )
    with reading_index(load_settings()) as index:
        found = find_failures(index, filters, limit + 1 if limit else None)
        gates = gates_of_runs(index, {str(document.body.get("s_workflow_id")) for document in found})
    more = bool(limit) and len(found) > limit
    found = found[: limit or None]
    if json:
        print_json([{"id": document.id, **document.body} for document in found])
    elif csv:
        print_csv([{"id": document.id, **document.body} for document in found], ("id", *CSV_FIELDS))
    elif not found:
        print("No failure fits.")
    else:
        failures = with_gates(map(failure_of, found), gates)
        print_cards([_card(failure) for failure in failures], f"{len(found)}{' newest' if more else ''} failures")
        if more:
            print(f"\nThere are more: --limit {limit * 5}, or --limit 0 for all.")


def _card(failure: Failure) -> list[str]:
    place = " · ".join(part for part in (failure.repo, failure.workflow, failure.job, failure.step) if part)
    category = spoken(failure.type or failure.state)
    flaky = f"  flaky: {failure.flaky}" if failure.flaky else ""
    held_up = f"gates that failed with it: {some(failure.gates)}" if failure.gates else ""
    quote = cut(headline(failure.quote), 200)
    lines = [f"{place}  ({failure.branch}{f', #{failure.pr}' if failure.pr else ''})", failure.cause]
    lines += [f"│ {quote}" if quote else "", held_up, responsibility(failure), failure.link]
    return [f"{moment(failure.when)}  {category}{flaky}", *(line for line in lines if line)]
