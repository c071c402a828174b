"""Where Dagster's UI of this data is served: told by `ui` while it runs, read by what links there.

What belongs here: that one file. Does not: serving (`ui.py`), making links.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci_metrics.settings import Settings

#: Where `ci-metrics ui` serves unless told otherwise.
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 3000


def address_of(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> str:
    """The address for a browser on this machine: one that listens everywhere is also here."""
    name = DEFAULT_HOST if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


@contextmanager
def told_address(settings: Settings, address: str) -> Iterator[None]:
    """The UI is served at this address inside the block."""
    from ci_metrics.orchestration.instance import dagster_home  # loads Dagster, which readers need not

    file = _file(dagster_home(settings))
    file.write_text(address, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def ui_address(settings: Settings) -> str:
    """Where the UI is served, or would be by default. Makes no folder."""
    try:
        return _file(settings.data_dir / "dagster").read_text(encoding="utf-8")
    except OSError:
        return address_of()


def _file(home: Path) -> Path:
    return home / "ui-address"
