"""`ci-metrics learn`: the embedded classifier learns from the team's own verdicts, or
forgets what it has learned.

Belongs here: reading arguments, printing. Does not: reading hours, learning, keeping
(`orchestration/weekly_learning.py`).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ci_metrics.errors import SettingsError
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.learned_weights import LearnedWeights
from ci_metrics.orchestration.weekly_learning import Relearned, learn_again
from ci_metrics.settings import load_settings

#: Rows of a table of changes at most.
_MOST = 20


def learn(
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    forget: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Learn what kinds of failures yours are, from people's labels and a model's sure verdicts.

    What is learned takes over only where it is better on your own verdicts and no worse on the
    failures that ship with the package.

    Parameters
    ----------
    dry_run
        Print the figures and what would change, and keep nothing.
    forget
        Judge by the weights that come with the package again.
    json_
        Print the result as one JSON object.
    """
    settings = load_settings()
    if settings.is_sample:
        settings = settings.model_copy(update={"enable_error_classification": True})
    if dry_run and forget:
        raise SettingsError("--forget", "given with --dry-run", "Leave one of them out")
    with open_parts(settings) as ci:
        if forget:
            note = LearnedWeights(ci.hours.store.root).forget()
            said = "The shipped weights judge already." if note is None else _FORGOTTEN.format(note.version)
            print(json.dumps({"forgotten": note.version if note else None}) if json_ else said)
            return 0
        if not settings.learns:
            name = "LEARN_FROM_VERDICTS" if settings.enable_error_classification else "ENABLE_ERROR_CLASSIFICATION"
            raise SettingsError(name, "false, so that nothing is learned", "Set it to true")
        done = learn_again(ci.hours, ci.judge, dry_run=dry_run)
    if json_:
        print(json.dumps(_as_object(done, dry_run=dry_run)))
    else:
        _show(done, dry_run=dry_run)
    return 0


_FORGOTTEN = "The shipped weights judge again, instead of {}. See ci-metrics stale for the hours to judge again."


def _as_object(done: Relearned, *, dry_run: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "dry_run": dry_run,
        "takes_over": done.takes_over,
        "why": done.why,
        "hours": done.team.hours,
        "distinct_failures": len(done.team.failures),
        "verdicts": done.verdicts,
    }
    if done.outcome is not None:
        named = ("before", "after", "shipped_before", "shipped_after")
        made |= {name: dataclasses.asdict(getattr(done.outcome, name)) for name in named}
        lesson = done.outcome.lesson
        made |= {"weights": done.outcome.version, "checked_on": done.outcome.checked_on}
        made |= {"by_source": lesson.by_source, "by_category": lesson.by_category, "not_learned": lesson.dropped}
    return {**made, "changed": [dataclasses.asdict(each) for each in done.moved]}


def _show(done: Relearned, *, dry_run: bool) -> None:
    console = Console(highlight=False)
    print(
        f"{done.team.hours} hours hold {len(done.team.failures)} distinct failures; {done.verdicts} have a verdict to learn from."
    )
    if done.set_aside:
        print("The weights learned before are set aside: the package's own have changed since.")
    if (outcome := done.outcome) is not None:
        by = " and ".join(f"{count} by {_WHO[who]}" for who, count in outcome.lesson.by_source.items() if count)
        kinds = ", ".join(f"{count} × {name}" for name, count in outcome.lesson.by_category.items())
        print(f"They were given {by}: {kinds}.")
        for name, count in outcome.lesson.dropped.items():
            print(f"{count} × {name} teach nothing: too few for a category of its own, or what no single log can tell.")
        figures = Table("Checked on", "", "Right", "Calibration error")
        for where, before, after in (
            (outcome.checked_on, outcome.before, outcome.after),
            ("shipped failures, by folds", outcome.shipped_before, outcome.shipped_after),
        ):
            figures.add_row(where, "before", f"{before.accuracy:.3f}", f"{before.calibration:.3f}")
            figures.add_row("", "after", f"{after.accuracy:.3f}", f"{after.calibration:.3f}")
        console.print(figures)
    if done.moved:
        changes = Table("From", "To", "Distinct failures", "Jobs")
        for each in done.moved[:_MOST]:
            changes.add_row(each.before, each.after, str(each.failures), str(each.jobs))
        console.print(changes)
    if not done.takes_over:
        print(f"Nothing changes: {done.why}.")
    elif dry_run:
        print(f"Would take over: {done.why}. Nothing was kept (--dry-run).")
    else:
        print(
            f"Takes over: {done.why}. ci-metrics stale lists the hours to judge again, ci-metrics reclassify does it."
        )


_WHO = {"human": "people", "model": "a model"}
