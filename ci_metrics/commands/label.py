"""`ci-metrics label`: a person's verdict on a failure, kept for every later reclassification.

Belongs here: reading the arguments, what must be done in the stored hours, printing. Does not: the verdict and the documents'
fields (`history/labels.py`).
"""

from __future__ import annotations

import difflib
import getpass
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.launch import run_hours
from ci_metrics.errors import CiMetricsError, SettingsError
from ci_metrics.history.flaky_flags import update_flags
from ci_metrics.history.job_reference import known_job
from ci_metrics.history.labels import Labelled, give
from ci_metrics.history.labels import withdraw as take_back
from ci_metrics.index.base import Document
from ci_metrics.orchestration.assets.failure_history import flag_rules
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.job_labels import forget_documents
from ci_metrics.orchestration.jobs import RECLASSIFY
from ci_metrics.orchestration.partitions import chunks_of
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.settings import Settings, load_settings


def label(
    job: str,
    type_: Annotated[str, Parameter(name="TYPE")] = "",
    *,
    note: str = "",
    all_like_it: Annotated[bool, Parameter(negative="")] = False,
    withdraw: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say what kind of failure a job is. That wins over every reclassification, until withdrawn.

    Parameters
    ----------
    job
        Its id, its document's id, or the address of its page on GitHub.
    type_
        A category of the taxonomy; leave it out with --withdraw.
    note
        Why; shown as the summary.
    all_like_it
        All failures of the same fingerprint, past and coming, not this job alone.
    withdraw
        Take the verdict back: the machine's counts again.
    """
    settings = load_settings()
    if withdraw and (type_ or note):
        raise SettingsError(
            "--withdraw", "given with a TYPE or a --note", "Leave those out: a verdict is only taken back"
        )
    with open_parts(settings) as ci:
        if not withdraw:
            _check_type(ci.judge.taxonomy, type_)
        document = known_job(ci.index.documents, job)
        done = (
            _withdraw(ci, settings, document, all_like_it=all_like_it)
            if withdraw
            else _give(ci, document, type_, note=note, all_like_it=all_like_it)
        )
    print(_in_words(done, "" if withdraw else type_))
    return 0


def _give(ci: Parts, document: Document, error_type: str, *, note: str, all_like_it: bool) -> Labelled:
    category = ci.judge.taxonomy.get(error_type)
    done = give(
        ci.index.documents,
        document,
        error_type,
        note=note,
        fix=category.fix if category else "",
        all_like_it=all_like_it,
        user=_user(),
        now=ci.hours.now(),
        parents=ci.judge.taxonomy.parents,
    )
    forget_documents(ci.hours.store, done.hours, {*done.jobs, *done.steps})
    return done


def _withdraw(ci: Parts, settings: Settings, document: Document, *, all_like_it: bool) -> Labelled:
    done = take_back(ci.index.documents, document, all_like_it=all_like_it, parents=ci.judge.taxonomy.parents)
    again = sorted(done.to_judge_again)
    ids = {id_ for hour in again for id_ in done.to_judge_again[hour]}
    forget_documents(ci.hours.store, done.hours, {*done.jobs, *done.steps, *ids})
    here = [hour for hour in again if ci.hours.store.exists("extracted_errors", hour)]
    if here:
        _judge_again(settings, here)
    rules = flag_rules(ci.judge.taxonomy)
    for hour in done.hours:
        if hour not in here:  # history's flags and types, which the person's verdict had covered
            update_flags(ci.index.documents, hour, rules=rules)
    if missing := [hour for hour in again if hour not in here]:
        count = sum(len(done.to_judge_again[hour]) for hour in missing)
        print(
            f"⚠️ {count} documents still show the withdrawn verdict: their hours were redone since it was given, and their "
            f"files are not on this machine. Run ci-metrics reclassify --from {missing[0]} --to {missing[-1]} where they are."
        )
    return done


def _judge_again(settings: Settings, hours: Iterable[str]) -> None:
    with open_instance(settings) as instance:
        for first, last in chunks_of(list(hours)):
            if not run_hours(settings, instance, RECLASSIFY, first, last, quiet=True).success:
                raise CiMetricsError(
                    f"the verdict is withdrawn, but hours {first} to {last} could not be judged again. "
                    f"Run ci-metrics reclassify --from {first} --to {last}"
                )


def _check_type(taxonomy: Taxonomy, name: str) -> None:
    if taxonomy.get(name) is not None:
        return
    near = difflib.get_close_matches(name, taxonomy.names, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    seen = f"“{name}” is no category" if name else "no category given"
    raise SettingsError("TYPE", seen, f"{meant}Write one of {', '.join(taxonomy.names)}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return ""


def _in_words(done: Labelled, error_type: str) -> str:
    jobs = len(done.jobs) + sum(len(ids) for ids in done.to_judge_again.values())
    many = f"{jobs} job{'' if jobs == 1 else 's'} and {len(done.steps)} step{'' if len(done.steps) == 1 else 's'}"
    if not error_type:
        return f"Withdrawn: {many} show the machine's verdict again."
    before = ", ".join(f"{n} × {word}" for word, n in done.before)
    return f"Labelled {error_type}: {many} (before: {before}). Kept as {done.key}; no reclassification changes it."
