"""`ci-metrics label`: a person's verdict on a failure, kept for every later reclassification.

Belongs here: reading the arguments, printing. Does not: what a label says (`history/labels.py`),
the documents derived from it (`orchestration/label_documents.py`), the lines of a file
(`orchestration/storage/label_file.py`).
"""

from __future__ import annotations

import difflib
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.open_index import refuse_no_file
from ci_metrics.errors import NotFoundError, PermanentError, SettingsError
from ci_metrics.history.cause_states import CauseRecord
from ci_metrics.history.job_reference import known_job
from ci_metrics.history.labels import label_for
from ci_metrics.index.document_index import Document
from ci_metrics.orchestration.label_documents import Relabelled, give_labels, withdraw_label
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.label_file import (
    PeoplesWork,
    newer_causes,
    newer_labels,
    read_label_file,
    written,
)
from ci_metrics.redaction import redact
from ci_metrics.settings import load_settings


def label(
    job: str,
    type_: Annotated[str, Parameter(name="TYPE")] = "",
    /,
    *,
    note: str = "",
    all_like_it: Annotated[bool, Parameter(negative="")] = False,
    withdraw: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say what kind of failure a job is. That wins over every reclassification, until withdrawn.

    “label export FILE” writes all labels, and what was said of causes, as JSON lines; “label import
    FILE” takes them over, the younger of two that speak of the same.

    Parameters
    ----------
    job
        Its id, its document's id, or the address of its page on GitHub. Or: export, import.
    type_
        A category of the taxonomy; leave it out with --withdraw. For export and import: the file, -
        for standard output or input.
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
        if job in ("export", "import"):
            said = (_exported if job == "export" else _imported)(parts, type_)
            print(said, file=sys.stderr if job == "export" and type_ in ("", "-") else sys.stdout)
            return 0
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
            user=user_name(),
            now=parts.hours.now(),
        )
        print(_given(give_labels(parts, [label]), label.id, type_))
    return 0


def _check_type(taxonomy: Taxonomy, name: str) -> None:
    if taxonomy.get(name) is not None:
        return
    near = difflib.get_close_matches(name, taxonomy.names, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    seen = f"“{name}” is no category" if name else "no category given"
    raise SettingsError("TYPE", seen, f"{meant}Write one of {', '.join(taxonomy.names)}")


def user_name() -> str:
    """Who is at the keyboard; "" where the system does not say."""
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


def _exported(parts: Parts, name: str) -> str:
    work = PeoplesWork(tuple(parts.judge.labels.labels().values()), tuple(parts.judge.causes.records()))
    if name in ("", "-"):
        sys.stdout.write(written(work))
    else:
        try:
            Path(name).write_text(written(work), encoding="utf-8")
        except OSError as error:
            raise PermanentError(f"cannot write {name}: {error.strerror}. Choose another file") from error
    return f"Exported {_how_many(work.labels, work.causes)}."


def _imported(parts: Parts, name: str) -> str:
    if not name:
        raise SettingsError("FILE", "not given", "Write “ci-metrics label import FILE”, - for standard input")
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {name}. Give one that “ci-metrics label export” wrote") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"{name}: cannot be read ({error}). Give a file of JSON lines in UTF-8") from error
    work = read_label_file(text, name, parts.judge.taxonomy.names)
    causes = list(newer_causes(work.causes, parts.judge.causes.records()))
    labels = list(newer_labels(work.labels, dict(parts.judge.labels.labels())))
    parts.judge.causes.keep(causes)
    done = give_labels(parts, labels)
    known = len(work.labels) + len(work.causes) - len(labels) - len(causes)
    return (
        f"Imported {_how_many(labels, causes)} ({known} already there or older); {_many(done)} say something else now."
    )


def _how_many(labels: Sequence[Document], causes: Sequence[CauseRecord]) -> str:
    words = [(len(labels), "label"), (len(causes), "cause")]
    return " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in words)
