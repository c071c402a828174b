"""Datasette over the embedded index: its metadata with canned queries (`metadata.yml`).

Belongs here: what Datasette shows. Does not: starting it (`commands/browse.py`).
"""

from importlib.resources import files
from string import Template

from ci_metrics.history.metrics import CONDITIONS


def metadata() -> str:
    """The metadata as YAML, its queries' conditions filled in."""
    text = files(__name__).joinpath("metadata.yml").read_text(encoding="utf-8")
    return Template(text).substitute({name: condition.sql for name, condition in CONDITIONS.items()})
