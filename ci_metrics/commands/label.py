"""`ci-metrics label`: a person's verdict on a failure, kept for every later reclassification.

Belongs here: reading the arguments, printing. Does not: what a label says (`history/labels.py`),
the documents derived from it (`orchestration/label_documents.py`).
"""

from __future__ import annotations

import difflib
import getpass
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.open_index import refuse_no_file
from ci_metrics.errors import SettingsError
from ci_metrics.history.job_reference import known_job
from ci_metrics.history.labels import label_for
from ci_metrics.orchestration.label_documents import Relabelled, give_label, withdraw_label
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.redaction import redact
from ci_metrics.settings import load_settings


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
    if withdraw and (type_ or note):
        raise SettingsError(
            "--withdraw", "given with a TYPE or a --note", "Leave those out: a verdict is only taken back"
        )
    # What is judged again is judged as it was before, also where classification is off by now.
    settings = load_settings().model_copy(update={"enable_error_classification": True})
    refuse_no_file(settings)
    with open_parts(settings) as parts:
        if not withdraw:
            _check_type(parts.judge.categories, type_)
        document = known_job(parts.index.documents, job)
        if withdraw:
            print(_withdrawn(withdraw_label(parts, document, all_like_it=all_like_it)))
            return 0
        category = parts.judge.categories.get(type_)
        label = label_for(
            document,
            type_,
            note=redact(note)[0],  # what people paste may come from a log
            fix=category.fix if category else "",
            all_like_it=all_like_it,
            user=_user(),
            now=parts.hours.now(),
        )
        print(_given(give_label(parts, label), label.id, type_))
    return 0


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


def _given(done: Relabelled, key: str, error_type: str) -> str:
    before = ", ".join(f"{n} × {word}" for word, n in done.before)
    was = f" (before: {before})" if before else ""
    return f"Labelled {error_type}: {_many(done)}{was}. Kept as {key}; no reclassification changes it."


def _withdrawn(done: Relabelled) -> str:
    said = f"Withdrawn: {_many(done)} show the machine's verdict again."
    if not done.missing:
        return said
    hours = sorted(done.missing)
    return (
        f"{said}\n⚠️ {sum(done.missing.values())} documents still show the withdrawn verdict: the files of their hours are not "
        f"on this machine. Run ci-metrics reclassify --from {hours[0]} --to {hours[-1]} where they are."
    )


def _many(done: Relabelled) -> str:
    return f"{done.jobs} job{'' if done.jobs == 1 else 's'} and {done.steps} step{'' if done.steps == 1 else 's'}"
