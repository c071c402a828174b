"""`ci-metrics fixture`: a window of a log as a fixture of the tests: the lines that matter, as they
stood, with the errors marked in the text.

Belongs here: which lines those are, marks, reading and writing files. Does not: finding errors.

A mark is `⟦N⟧ ` before the headline of the Nth error, root cause first. What is between the kept
lines is left out without a trace, so that a window is a log like any other.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ci_metrics.commands.log_input import LogName, opened
from ci_metrics.errors import ContractError
from ci_metrics.logs.encodings import in_utf8
from ci_metrics.logs.extract import extract
from ci_metrics.models import Extraction
from ci_metrics.redaction import Care, Masker

_MARK = re.compile("^⟦\\d+⟧ ", re.MULTILINE)
#: Lines of context around the excerpt, tried in turn until the window gives
#: the verdict of the whole.
_CONTEXTS = (3, 10, 40, 150)


def fixture(log: LogName, *, out: Path | None = None) -> None:
    """Print a log's window that gives the whole one's verdict: redacted, the headlines marked.

    Parameters
    ----------
    log
        A log file; - reads standard input; gzip is unpacked.
    out
        Write here instead, say to ci_metrics_tests/logs/fixtures/NAME.log. Look for
        secrets before you commit it.
    """
    with opened(log) as stream:
        raw = stream.read()
    try:
        window = window_of(raw)
    except ContractError as error:
        raise ContractError(f"{log}: {error}") from None
    if out is None:
        sys.stdout.buffer.write(window)
    else:
        out.write_bytes(window)


def window_of(raw: bytes) -> bytes:
    """The smallest window that gives the verdict of the whole log, redacted and marked;
    ContractError when the log shows no error.
    """
    raw = Masker(Care.TEXT).masked(b"".join(in_utf8([raw])))
    whole = extract(raw)
    if whole.state != "errors":
        raise ContractError("the log shows no error: there is nothing to make a fixture of")
    lines = raw.split(b"\n")
    for context in _CONTEXTS:
        kept = {1, *(n for first, last in whole.spans for n in range(first - context, last + context + 1))}
        part = b"\n".join(line for number, line in enumerate(lines, start=1) if number in kept)
        if same_verdict(extract(part), whole):
            return marked(part)
    return marked(raw)


def same_verdict(one: Extraction, other: Extraction) -> bool:
    """Whether both name the same root cause in the same step."""
    if one.state != other.state or bool(one.errors) != bool(other.errors):
        return False
    return not one.errors or (one.errors[0].fingerprint, one.errors[0].step) == (
        other.errors[0].fingerprint,
        other.errors[0].step,
    )


def marked(raw: bytes) -> bytes:
    """`raw` with a mark before each error's headline, whatever marks it had."""
    lines = unmarked(raw).decode("utf-8", "replace").split("\n")
    for rank, error in enumerate(extract(unmarked(raw)).errors, start=1):
        if error.line is not None and not lines[error.line - 1].startswith("⟦"):
            lines[error.line - 1] = f"⟦{rank}⟧ " + lines[error.line - 1]
    return "\n".join(lines).encode()


def unmarked(raw: bytes) -> bytes:
    """`raw` without marks."""
    return _MARK.sub("", raw.decode("utf-8", "replace")).encode()
