"""The indices as pandas frames: failure rate by day, time lost by category, flaky jobs, cost.

Run it after `ci-metrics upload`, with the same settings (environment or .env): it reads OpenSearch when JOB_INDEX names it, else
the embedded index.

    python docs/examples/frames.py            # prints four tables
    python -i docs/examples/frames.py         # and leaves the frames `jobs` and `workflows` to play with
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import pandas as pd

from ci_metrics.index.base import DocumentIndex, Kind, Where
from ci_metrics.index.open import open_index
from ci_metrics.settings import load_settings

FAILED = ["failure", "timed_out", "startup_failure"]


def frame(index: DocumentIndex, kind: Kind, where: Where | None = None) -> pd.DataFrame:
    """All matching documents of a kind, one row each, indexed by document id; times are UTC timestamps.

    The nested `errors` stay lists of dicts: `jobs["errors"].dropna().explode()` gives one row per error.
    """
    documents = list(index.scan(kind, where))
    made = pd.DataFrame([d.body for d in documents], index=pd.Index([d.id for d in documents], name="id"))
    for column in made.columns:
        if column == "@timestamp" or column.startswith("ts_"):
            made[column] = pd.to_datetime(made[column], utc=True)
        elif column.startswith("l_") and column != "l_evidence_lines":
            made[column] = made[column].astype("Int64")  # integers that may be absent
    return made


def failure_rate_by_day(jobs: pd.DataFrame) -> pd.DataFrame:
    """Failed jobs among those that passed or failed, per UTC day."""
    ended = jobs[jobs["s_status"].isin([*FAILED, "success"])]
    failed = ended["s_status"].isin(FAILED)
    days = failed.groupby(ended["@timestamp"].dt.date)
    return pd.DataFrame({"jobs": days.size(), "failed": days.sum(), "rate": days.mean().round(3)})


def lost_by_category(jobs: pd.DataFrame) -> pd.DataFrame:
    """Failures and minutes of failed attempts, per category; without one, per state."""
    failed = jobs[jobs["s_status"].isin(FAILED)]
    kind = failed.get("s_error_type", pd.Series(index=failed.index, dtype="str"))
    if "s_error_state" in failed:
        kind = kind.fillna(failed["s_error_state"])
    grouped = failed.groupby(kind.fillna("not classified"))
    minutes = grouped["l_duration_sec"].sum() / 60
    made = pd.DataFrame({"failures": grouped.size(), "minutes": minutes.astype(float).round(1)})
    return made.sort_values("failures", ascending=False)


def flaky_jobs(jobs: pd.DataFrame) -> pd.DataFrame:
    """Jobs that failed and then passed at the same commit, most often first."""
    if "b_flaky_suspected" not in jobs:
        return pd.DataFrame(columns=["failures"])
    suspected = jobs[jobs["b_flaky_suspected"].eq(True)]
    counted = suspected.groupby(["s_repo", "s_workflow_name", "s_job_name"]).size()
    return counted.sort_values(ascending=False).to_frame("failures")


def spend_by_model(jobs: pd.DataFrame) -> pd.DataFrame:
    """US dollars and tokens, per model that answered."""
    if "s_model" not in jobs:
        return pd.DataFrame(columns=["failures", "usd"])
    asked = jobs[jobs["l_prompt_tokens"].fillna(0) > 0].groupby("s_model")
    return pd.DataFrame({"failures": asked.size(), "usd": asked["f_cost_usd"].sum().round(4)})


if __name__ == "__main__":
    index = open_index(load_settings())
    jobs = frame(index, "jobs")
    workflows = frame(index, "workflows")
    if jobs.empty:
        raise SystemExit("The index holds no job yet. Run “ci-metrics upload” first.")
    print(f"{len(workflows)} workflow attempts, {len(jobs)} jobs from {index.location}\n")
    for title, table in (
        ("Failure rate by day", failure_rate_by_day(jobs)),
        ("Lost time by category", lost_by_category(jobs)),
        ("Flaky jobs", flaky_jobs(jobs)),
        ("Model spend", spend_by_model(jobs)),
    ):
        print(title, table.to_string(), "", sep="\n")
    index.close()
