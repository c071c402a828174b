"""`ci-metrics browse`: the embedded index in Datasette, with canned queries.

Belongs here: finding Datasette and starting it. Does not: its queries
(`ci_metrics/report/datasette`).
"""

from __future__ import annotations

import importlib.util
import os
import sys

from ci_metrics.errors import NotFoundError, PermanentError, SettingsError
from ci_metrics.index.open import EMBEDDED_FILE
from ci_metrics.report.datasette import metadata
from ci_metrics.settings import Settings, load_settings


def browse(*, port: int = 8001, host: str = "127.0.0.1") -> None:
    """Serve the embedded index with Datasette until Ctrl-C: read-only, on this machine only.

    Needs the extra: pip install 'ci_metrics[browse]'.

    Parameters
    ----------
    port
        Where it listens; 0 takes any free port.
    host
        The address it listens on. There is no login: leave it unless the network is yours.
    """
    settings = load_settings()
    command = datasette_command(settings, port=port, host=host)
    file = settings.data_dir / "datasette.yml"
    try:
        file.write_text(metadata(), encoding="utf-8")
    except OSError as error:
        raise PermanentError(
            f"cannot write {file}: {error.strerror}. Datasette reads its queries from there"
        ) from error
    sys.stdout.flush()
    os.execv(command[0], [*command, "--metadata", str(file)])


def datasette_command(settings: Settings, *, port: int, host: str) -> list[str]:
    """The command line that serves the embedded index, without its metadata.

    Raises SettingsError when documents go to OpenSearch, NotFoundError when the
    extra or the index is missing.
    """
    if settings.uses_opensearch:
        raise SettingsError(
            "JOB_INDEX",
            "documents go to OpenSearch, not to the embedded index",
            "Browse them in OpenSearch Dashboards (ci-metrics dashboards makes its charts)",
        )
    if importlib.util.find_spec("datasette") is None:
        raise NotFoundError("Datasette is not installed. Install the extra: pip install 'ci_metrics[browse]'")
    file = settings.data_dir / EMBEDDED_FILE
    if not file.exists():
        raise NotFoundError(f"there is no index at {file} yet. Run “ci-metrics upload” first (or “make run”)")
    serve = [sys.executable, "-m", "datasette", "serve", str(file), "--host", host, "--port", str(port)]
    return [*serve, "--setting", "sql_time_limit_ms", "10000", "--setting", "allow_download", "off"]
