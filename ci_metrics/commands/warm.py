"""`ci-metrics warm`: compile now what the first command would, and remember it.

Belongs here: which databases of expressions there are. Does not: compiling and remembering
(`expressions/databases.py`).
"""

from __future__ import annotations

import time
from typing import Annotated, get_args

from cyclopts import Parameter

from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.catalogue.messages import Subject
from ci_metrics.expressions.databases import default_folder
from ci_metrics.logs.scan import finder
from ci_metrics.logs.shapes import shapes_of
from ci_metrics.redaction import finder as secrets
from ci_metrics.settings import load_settings


def warm(*, quiet: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Compile the expressions of the catalogue in force and of the masking, once for this machine.

    An image does it when it is built: then no process of it waits for that. XDG_CACHE_HOME says
    where it is remembered.

    Parameters
    ----------
    quiet
        Print nothing.
    """
    began = time.monotonic()
    catalogue = catalogue_in_force(load_settings().catalogue_dir)
    for care in secrets.Care:
        secrets.engine(care)
    for subject in get_args(Subject):
        match_lines(catalogue, ["a"], subject)
    found = finder(catalogue)
    _ = found.engine, found.last_resort, found.beside
    shapes_of(["a"])  # an empty line is known without looking
    if not quiet:
        print(
            f"{len(catalogue.messages)} messages are compiled in {default_folder()} ({time.monotonic() - began:.1f} s)."
        )
