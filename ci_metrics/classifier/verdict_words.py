"""A verdict in words: the message that speaks, the lines that are quoted, a category as a sentence.

Belongs here: what a verdict says. Does not: what it decides (`classifier.py`, `contract_rules.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ci_metrics import models
from ci_metrics.catalogue import Message
from ci_metrics.classifier.features import FoundMessage, SeenEvidence

#: Characters of a line that a summary repeats.
_QUOTE = 300


def speaker(seen: SeenEvidence, category: str, own: Collection[str]) -> Message | None:
    """The message whose headline goes before the quote: one on the quoted line itself,
    else one of the same error.

    Of several on a line a team's own speaks first. A message names its tool only where a second
    sign of it is there: another message of its family, or the command that was run.
    """
    families: dict[str, set[str]] = {}
    for each in seen.found:
        families.setdefault(each.message.family, set()).add(each.message.id)
    for place in ("head", "first"):
        spoken = [
            each.message
            for each in seen.found
            if each.place == place and each.message.category == category and each.message.headline
        ]
        for message in sorted(spoken, key=lambda message: message.id not in own):
            if not message.tool or message.tool not in message.headline or _second_sign(seen, message, families):
                return message
    return None


def _second_sign(seen: SeenEvidence, message: Message, families: Mapping[str, set[str]]) -> bool:
    return len(families.get(message.family, ())) > 1 or f"command:{message.tool.lower()}" in seen.features


def quotes(seen: SeenEvidence, by: Message | None) -> tuple[models.Evidence, ...]:
    """The line that names the error, and the line by which it was decided where that
    is another one of the log.
    """
    root = seen.root
    if root is None:
        return ()
    quoted = [models.Evidence(root.line, line.text) for line in root.lines if line.number == root.line and root.line]
    if by is not None:
        proof: FoundMessage | None = next((f for f in seen.found if f.message is by and f.line.number), None)
        if proof is not None and all(each.line != proof.line.number for each in quoted):
            quoted.append(models.Evidence(proof.line.number, proof.line.text))
    return tuple(quoted)


def looks_like(category: str) -> str:
    """A category as the beginning of a sentence."""
    what = category.replace("_", " ")
    return f"Looks like {'an' if what[0] in 'aeiou' else 'a'} {what}"


def cut_quote(text: str) -> str:
    """A line as a summary repeats it."""
    text = text.strip()
    return text if len(text) <= _QUOTE else text[: _QUOTE - 1] + "…"
