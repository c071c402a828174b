"""Write the sample day's recorded failures as labelled logs, one of each,
for the commands that learn.

    python -m tools.sample_cases FOLDER        # a new folder; name it `sample`

Belongs here: the sample's logs and its makers' truth in the layout of labelled logs.
Does not: learning from them.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from ci_metrics.sample.scenario import sample_day, sample_world


def main() -> None:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.sample_cases", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder; name it `sample`")
    folder: Path = parser.parse_args().folder
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    specs = {job.job_id: job for run in sample_world().runs for attempt in run.attempts for job in attempt.jobs}
    seen: set[str] = set()
    rows = []
    for truth in sample_day().truth:
        spec = specs[truth.job_id]
        if not truth.slug or truth.slug in seen or spec.log_answer != "stored":
            continue
        seen.add(truth.slug)
        log = f"logs/{truth.slug}.log.gz"
        (folder / log).write_bytes(gzip.compress(spec.read_log(), mtime=0))
        rows.append(
            {
                "id": f"sample/{truth.slug}/1",
                "log": log,
                "format": "gha",
                "expected": [truth.category] if truth.category else None,
                "spans": [list(span) for span in truth.marks],
            }
        )
    (folder / "cases.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    print(f"{folder}: {len(rows)} failures of the sample day")


if __name__ == "__main__":
    main()
