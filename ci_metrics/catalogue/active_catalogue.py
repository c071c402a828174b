"""The catalogue that the settings name: the shipped messages and a team's own,
checked before any log is read.

Belongs here: what can be checked of a team's entries beyond their shape: that the engine takes the
form, that the examples hold, that the category is one there are weights for. Does not: reading
files (`orchestration/run_messages.py`), matching (`engine.py`).
"""

from __future__ import annotations

import difflib
from pathlib import Path

from ci_metrics.catalogue.engine import match_lines, refused
from ci_metrics.catalogue.messages import Catalogue, Message, load_catalogue
from ci_metrics.errors import ContractError, SettingsError

_GUIDE = "docs/extending.md, “A message”, shows an entry"


def catalogue_in_force(folder: Path | None) -> Catalogue:
    """The shipped messages, with those of CATALOGUE_DIR where one is given.

    Raises SettingsError: the file or entry, what is wrong with it, what to do.
    """
    if folder is None:
        return load_catalogue()
    try:
        catalogue = load_catalogue(folder)
    except ContractError as error:
        raise SettingsError(
            "CATALOGUE_DIR", str(error).removeprefix("CATALOGUE_DIR: "), f"Correct it; {_GUIDE}"
        ) from None
    for message in catalogue.messages:
        if message.id in catalogue.own and (fault := _fault(message)):
            seen, advice = fault
            raise SettingsError("CATALOGUE_DIR", f"{folder}, message {message.id!r}: {seen}", advice)
    return catalogue


def _fault(message: Message) -> tuple[str, str] | None:
    """What is wrong with an entry that reads well, and what to do."""
    known = sorted({each.category for each in load_catalogue().messages} - {""})
    if message.category and message.category not in known:
        near = difflib.get_close_matches(message.category, known, n=1)
        advice = f"Write {near[0]}" if near else f"Write one of {', '.join(known)}"
        more = f"; a category of your own claims the entry in TAXONOMY_FILE (rules = [{message.id!r}])"
        return f"category {message.category!r} is none of the ten", advice + more
    if why := refused(message):
        return why, "Write it without look-around and back references, and with brackets in pairs"
    alone = Catalogue((message,))
    examples = (*message.fires, *message.silent)
    for text, hits in zip(examples, match_lines(alone, examples, message.subject), strict=True):
        if text in message.fires and not hits:
            return f"the form {message.form!r} does not match its example {text!r}", "Correct the form or the example"
        if text in message.silent and hits:
            return f"the form {message.form!r} matches {text!r}, which is to stay silent", "Make the form narrower"
    return None
