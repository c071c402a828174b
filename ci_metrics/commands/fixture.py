"""`ci-metrics fixture`: a log turned into a fixture of the tests.

Belongs here: reading the log, writing the window. Does not: what a window is
(`ci_metrics.logs.fixtures`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.commands.log_input import opened
from ci_metrics.errors import ContractError
from ci_metrics.logs.fixtures import window_of


def fixture(log: Annotated[str, Parameter(allow_leading_hyphen=True)], *, out: Path | None = None) -> None:
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
