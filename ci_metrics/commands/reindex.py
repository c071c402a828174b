"""`ci-metrics reindex`: the index made again from the stored hours, people's labels included.

Belongs here: arguments, printing. Does not: doing it (`orchestration/reindexing.py`).
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.errors import NotFoundError
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.reindexing import reindex_hours
from ci_metrics.settings import load_settings


def reindex(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Write every document of every stored hour to the index anew, and people's labels. Asks
    GitHub and models for nothing.

    For an index that was lost, emptied or is a new one. Documents of hours that are not stored
    (any more) stay as they are.

    Parameters
    ----------
    json_
        Print the result as one JSON object.
    """
    with open_parts(load_settings()) as parts:
        if not parts.hours.store.hours():
            raise NotFoundError(f"no hour is stored at {parts.hours.store.root}. Run “ci-metrics upload” first")

        def tell(hour: str, number: int, total: int) -> None:
            if sys.stderr.isatty():
                print(
                    f"\r{hour} ({number} of {total})", end="\n" if number == total else "", file=sys.stderr, flush=True
                )

        done = reindex_hours(parts, on_hour=tell)
        where = parts.index.documents.location
    if json_:
        print(json.dumps(asdict(done)))
    else:
        print(
            f"{where}: {done.documents} documents of {done.hours} hours written ({done.created} were not there), "
            f"{done.removed} removed, {done.labels} labels."
        )
    for hour, why in done.failed.items():
        print(f"ci-metrics: hour {hour} could not be indexed: {why}", file=sys.stderr)
    return 1 if done.failed else 0
