"""Documents and hours as pandas frames, for people who ask their own questions.

What belongs here: reading either index and the stored hours into typed frames. Does not: answers
that a command gives already (`history/`), writing.

    from ci_metrics import frames
    jobs = frames.jobs()                                     # of the index that the settings name
    jobs[jobs.counted].groupby("s_repo").failure.mean()      # failure rate
    jobs.groupby("s_error_type").lost_sec.sum() / 60         # lost minutes
    frames.hours("classifications", first="2026-03-02T05")   # verdicts as the chain stored them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ci_metrics.errors import ContractError
from ci_metrics.history.attempts import attempt_of
from ci_metrics.history.lost_time import losses
from ci_metrics.history.metrics import CONDITIONS, FAILURE
from ci_metrics.index.document_index import Document, DocumentIndex, Kind, Where
from ci_metrics.index.field_table import Field, fields_of
from ci_metrics.index.open import open_index
from ci_metrics.settings import load_settings

#: pandas' type of a column, by the field's. Those that may be absent have a missing value of
#: their own, never 0 or "".
DTYPES: Mapping[str, Any] = {
    "keyword": "str",
    "text": "str",
    "long": "Int64",
    "float": "Float64",
    "boolean": "boolean",
    "date": "datetime64[us, UTC]",
    "nested": "object",
}


def documents(
    kind: Kind, where: Where | None = None, *, index: DocumentIndex | None = None, fields: Sequence[str] = ()
) -> pd.DataFrame:
    """The matching documents of a kind: a row each, indexed by the document's `id`.

    A column for each field that the kind may have (docs/documents.md), or for `fields` alone, of
    the type in `DTYPES`, there even when no document has the field. A field with many values holds
    lists; the nested `errors` lists of dicts, so that `jobs["errors"].dropna().explode()` is a row
    per error. `index` None: the one that the settings name.
    """
    with _opened(index) as opened:
        return _frame(kind, opened.scan(kind, where, fields=fields), fields)


def jobs(where: Where | None = None, *, index: DocumentIndex | None = None) -> pd.DataFrame:
    """The matching jobs as `documents` gives them, with what each counts as.

    Further columns: a boolean one for each condition of `history/metrics.py` (`failure`, `passed`,
    `counted`, `classified`, `unexplained`, `suspected`, `confirmed`), and `lost_sec`: seconds lost
    to the failure, its re-runs included; missing for jobs that did not fail.
    """
    with _opened(index) as opened:
        found = list(opened.scan("jobs", where))
        frame = _frame("jobs", found)
        lost = losses(opened, [attempt_of(document) for document in found if FAILURE.holds(document.body)])
    conditions = {name: condition.mask(frame) for name, condition in CONDITIONS.items()}
    return frame.assign(**conditions, lost_sec=pd.Series(lost, index=frame.index, dtype="Float64"))


def hours(asset: str, *, first: str = "", last: str = "", root: UPath | Path | str | None = None) -> pd.DataFrame:
    """The rows that an asset stored for the hours from `first` to `last`
    (`2026-03-02T05`; "": all there are).

    The columns are those of the asset's rows (Dagster shows them beside each asset), and `hour`. A
    record within a row is a dict, several are an array of dicts. `root` None: where the settings
    have the hours. Raises ContractError when a file is damaged. An asset that has no such hour
    gives an empty frame.
    """
    folder = (UPath(root) if root is not None else load_settings().hours_root) / asset
    paths = sorted(folder.glob("*.parquet"), key=lambda path: path.name) if folder.is_dir() else []
    chosen = [path for path in paths if (not first or path.stem >= first) and (not last or path.stem <= last)]
    tables = [_stored(path) for path in chosen]
    return pa.concat_tables(tables, promote_options="permissive").to_pandas() if tables else pd.DataFrame()


def _stored(path: UPath) -> pa.Table:
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
    except pa.ArrowInvalid as error:
        raise ContractError(f"{path} is damaged. Materialize its asset for that hour again") from error
    return table.append_column("hour", pa.array([path.stem] * len(table), pa.string())).replace_schema_metadata()


def _frame(kind: Kind, found: Iterable[Document], wanted: Sequence[str] = ()) -> pd.DataFrame:
    there = list(found)
    known = {name: field for name, field in fields_of(kind).items() if not wanted or name in wanted}
    names = pd.Index([document.id for document in there], name="id", dtype="str")
    columns = {name: _column([document.body.get(name) for document in there], field) for name, field in known.items()}
    return pd.DataFrame(columns).set_axis(names)


def _column(values: list[object], field: Field) -> pd.Series:
    if field.many or field.type == "nested":
        return pd.Series(values, dtype="object")
    if field.type == "date":
        return pd.to_datetime(pd.Series(values, dtype="str"), utc=True, format="ISO8601").astype(DTYPES["date"])
    return pd.Series(values, dtype=DTYPES[field.type])


@contextmanager
def _opened(index: DocumentIndex | None) -> Iterator[DocumentIndex]:
    if index is not None:
        yield index
        return
    with closing(open_index(load_settings())) as opened:
        yield opened
