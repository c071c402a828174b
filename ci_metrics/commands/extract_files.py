"""`ci-metrics extract`: what an extraction keeps of log files.

Belongs here: printing extractions. Does not: extracting (`ci_metrics.logs`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.commands.log_input import LogName, checked, logs_of, named_files, opened, read_background, read_job_file
from ci_metrics.commands.terminal import terminal_json, terminal_lines
from ci_metrics.expressions.databases import only_what_may_match
from ci_metrics.logs import extract as extract_log
from ci_metrics.models import Extraction
from ci_metrics.settings import load_settings

#: The contract's states; a log with errors prints as the contract's example does.
_STATES = {"errors": "classified", "no_error_found": "no_error_found", "no_log": "no_log"}


@only_what_may_match()
def extract(
    *files: LogName,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
    job: Path | None = None,
    passing: Path | None = None,
    budget: int | None = None,
) -> None:
    """Print what a model would be sent of each log, and the errors found in it. Uses no network.

    Parameters
    ----------
    files
        Log files, in order; - reads standard input; gzip is unpacked.
    json_lines
        One JSON object a file, for scripts.
    job
        The job's JSON as GitHub's API returns it: names the steps.
    passing
        The log of a run in which the same job passed: what it printed too is background, not cause.
    budget
        Characters of log lines to keep, in place of EXCERPT_BUDGET.
    """
    settings = load_settings() if budget is None else load_settings(excerpt_budget=budget)
    catalogue = catalogue_in_force(settings.catalogue_dir)
    described, background = read_job_file(job), read_background(passing)
    for name in named_files(files):
        with opened(name) as stream:
            no_text, log = checked(stream)
            found = [
                (
                    each.name,
                    extract_log(
                        each.log,
                        job=each.job,
                        background=background,
                        budget=settings.excerpt_budget,
                        catalogue=catalogue,
                    ),
                )
                for each in ([] if no_text else logs_of(log, described))
            ]
        told = [(of, each) for of, each in found if each.errors] or found[:1]
        first = told[0][1] if told else Extraction(state="no_log")
        if json_lines:
            apart = {"jobs": [{"job": of, **_row(name, each)} for of, each in told]} if len(found) > 1 else {}
            print(terminal_json({**_row(name, first), **apart}), flush=True)
        elif no_text:
            print(terminal_lines(f"{name}: no log: {no_text}"), flush=True)
        else:
            for of, each in told:
                print(terminal_lines(_text(f"{name}, job {of}" if of else name, each)), flush=True)


def _row(name: str, result: Extraction) -> dict[str, object]:
    return {
        "file": name,
        "state": _STATES[result.state],
        "excerpt": result.excerpt,
        "spans": [list(span) for span in result.spans],
        "errors": [
            {
                "step": error.step,
                "line": error.line,
                "spans": [list(span) for span in error.spans],
                "headline": error.headline,
                "fingerprint": error.fingerprint,
                "generic": error.generic,
            }
            for error in result.errors
        ],
    }


def _text(name: str, result: Extraction) -> str:
    head = f"{name}: {len(result.errors)} errors in {result.total_lines} lines, {len(result.excerpt)} characters kept"
    rows = [
        f"  {e.line or '-'}: {e.headline[:160]}  [{e.step or 'no step'}] x{e.repeats} {e.fingerprint}"
        for e in result.errors
    ]
    return "\n".join([head, *rows, "", result.excerpt, ""])
