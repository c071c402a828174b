"""The taxonomy that the settings name, checked against the messages that its categories claim.

What belongs here: what can only be checked with both at hand. Does not: reading the file
(`classifier/taxonomy.py`), the messages.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.classifier.taxonomy import Taxonomy, load_taxonomy
from ci_metrics.errors import ContractError


def taxonomy_in_force(path: Path | None, catalogue: Catalogue | None = None) -> Taxonomy:
    """The taxonomy of TAXONOMY_FILE, or the default one; what its categories claim is
    looked for in `catalogue`.

    Raises as `load_taxonomy`, and ContractError when a category claims messages that do not
    exist: it would never get one.
    """
    taxonomy = load_taxonomy(path)
    if path is None:
        return taxonomy
    known = {name for message in (catalogue or load_catalogue()).messages for name in message.names}
    for category in taxonomy.categories:
        for claimed in category.rules:
            if claimed not in known:
                near = difflib.get_close_matches(claimed, known, n=3)
                hint = (
                    f"did you mean {' or '.join(f'“{name}”' for name in near)}?"
                    if near
                    else "write an id, family or tag"
                )
                raise ContractError(
                    f"{path} (“{category.name}”): no message of the catalogue is called “{claimed}”; {hint}"
                )
    return taxonomy
