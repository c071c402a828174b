"""`ci-metrics extract`: what an extraction keeps of log files.

Belongs here: printing extractions. Does not: extracting (`ci_metrics.logs`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.commands.log_files import read_logs
from ci_metrics.logs import DEFAULT_BUDGET, extract as extract_log


def extract(
    *files: str,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
    job: Path | None = None,
    budget: int = DEFAULT_BUDGET,
) -> None:
    """Print what a model would be sent of each log, and the errors found in it. No network."""
    for name, data in read_logs(files):
        result = extract_log(data, budget=budget)
        state = "classified" if result.state == "errors" else result.state
        if json_lines:
            row = {
                "file": name,
                "state": state,
                "excerpt": result.excerpt,
                "spans": [list(span) for span in result.spans],
                "errors": [
                    {
                        "step": e.step,
                        "spans": [list(s) for s in e.spans],
                        "headline": e.headline,
                        "fingerprint": e.fingerprint,
                    }
                    for e in result.errors
                ],
            }
            print(json.dumps(row, ensure_ascii=False))
        else:
            print(f"{name}: {state}, {len(result.errors)} errors\n{result.excerpt}\n")
