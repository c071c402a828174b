"""Write the sample data's recorded failures as a folder that `ci-metrics evaluate` reads.

usage: python bench/classification_sample.py DIR && ci-metrics evaluate DIR

Each recording becomes a job log as the runner writes it (header, step, exit line, clean-up), with the recording's category as its
label and its marked lines as the cause.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

STAMP = "2026-01-01T00:00:00.0000000Z "
HEADER = ["Current runner version: '2.319.1'", "Prepare all required actions", "Complete job name: build"]


def main(folder: Path) -> None:
    """Write the logs and `cases.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = files("ci_metrics.sample").joinpath("data")
    cases = []
    for line in data.joinpath("failures.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        log = data.joinpath("failures", f"{row['slug']}.log").read_text(encoding="utf-8")
        command = row["command"].split("\n")
        before = [*HEADER, f"##[group]Run {command[0]}", *command, "shell: /usr/bin/bash -e {0}", "##[endgroup]"]
        exit_line = f"##[error]Process completed with exit code {row['exit_code']}."
        lines = [*before, *log.rstrip("\n").split("\n"), exit_line, "Post job cleanup.", "Cleaning up orphan processes"]
        name = f"{row['slug']}.log"
        (folder / name).write_text("".join(f"{STAMP}{line}\n" for line in lines), encoding="utf-8")
        cases.append(
            {
                "id": f"sample/{row['tool']}/{row['slug']}",
                "project": row["slug"],
                "log": name,
                "format": "gha",
                "expected": [row["category"]] if row["state"] == "classified" else None,
                "spans": [[first + len(before), last + len(before)] for first, last in row["marks"]],
            }
        )
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)), encoding="utf-8")
    print(f"{len(cases)} cases in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
