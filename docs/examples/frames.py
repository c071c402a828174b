"""The indices as pandas frames: failure rate by day, time lost by category, flaky jobs, cost.

Run it after `ci-metrics upload`, with the same settings (environment or .env): it reads OpenSearch
when JOB_INDEX names it, else the embedded index.

    python docs/examples/frames.py            # prints four tables
    python -i docs/examples/frames.py         # and leaves the frames `jobs` and `workflows` to
                                              play with
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import pandas as pd

from ci_metrics import frames


def failure_rate_by_day(jobs: pd.DataFrame) -> pd.DataFrame:
    """Failed jobs among those that passed or failed, per UTC day."""
    counted = jobs[jobs["counted"]]
    days = counted.groupby(counted["@timestamp"].dt.date)["failure"]
    return pd.DataFrame({"jobs": days.size(), "failed": days.sum(), "rate": days.mean().round(3)})


def lost_by_category(jobs: pd.DataFrame) -> pd.DataFrame:
    """Failures and lost minutes (failed attempts and the re-runs they caused), per
    category; without one, per state.
    """
    failed = jobs[jobs["failure"]]
    kind = failed["s_error_type"].fillna(failed["s_error_state"]).fillna("not classified")
    lost = failed.groupby(kind)["lost_sec"]
    made = pd.DataFrame({"failures": lost.size(), "minutes": (lost.sum() / 60).round(1)})
    return made.sort_values("failures", ascending=False)


def flaky_jobs(jobs: pd.DataFrame) -> pd.DataFrame:
    """Jobs that failed and then passed at the same commit, most often first."""
    counted = jobs[jobs["suspected"]].groupby(["s_repo", "s_workflow_name", "s_job_name"]).size()
    return counted.sort_values(ascending=False).to_frame("failures")


def spend_by_model(jobs: pd.DataFrame) -> pd.DataFrame:
    """US dollars and tokens, per model that answered."""
    asked = jobs[jobs["l_prompt_tokens"].fillna(0) > 0].groupby("s_model")
    return pd.DataFrame({"failures": asked.size(), "usd": asked["f_cost_usd"].sum().round(4)})


if __name__ == "__main__":
    jobs = frames.jobs()
    workflows = frames.documents("workflows")
    if jobs.empty:
        raise SystemExit("The index holds no job yet. Run “ci-metrics upload” first.")
    print(f"{len(workflows)} workflow attempts, {len(jobs)} jobs\n")
    for title, table in (
        ("Failure rate by day", failure_rate_by_day(jobs)),
        ("Lost time by category", lost_by_category(jobs)),
        ("Flaky jobs", flaky_jobs(jobs)),
        ("Model spend", spend_by_model(jobs)),
    ):
        print(title, table.to_string(), "", sep="\n")
