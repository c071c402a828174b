"""What the decision looks at: messages with their place, words of the first
error, the failing command.

Belongs here: an extraction in, named features out; the same for learning and for judging. Does not:
what a feature is worth (`model.py`).

A feature is a name and a number. `category:C@P`: a message that speaks for category C stands at
place P (head: the line that names the failure; first: the rest of the first error; other: a line
that names another error; step: the rest of the excerpt). `message:ID@P`, `role:R@head`, `family:F`:
the message, its role, its tool. `word:W@P`: a word. `command:…`, `step-name:…`: what the failing
step was asked to run, and what it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ci_metrics.catalogue import Catalogue, Message
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.classifier.step_commands import commands_of, script_numbers
from ci_metrics.models import ExtractedError, Extraction, Job, LogLine

#: Errors behind the first whose names count, and lines of the first one whose words do.
OTHERS, LINES = 6, 20
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[a-z][a-z'_]{1,24}")
#: What shells print of the script that they run: no output.
_SCRIPT = ("+ ", "++ ", "$ ")
#: What the runner prints around every step, whatever it was.
_SAYS_NOTHING = re.compile(
    r"##\[(?:group|endgroup)\]|##\[error\]Process completed with exit code|shell: |env:$|with:$|Post job cleanup"
)
#: The tag of messages of a job without a cause of its own, which a script may show: it
#: compares other jobs' results.
AGGREGATE = "aggregate"


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """One message on one line, at one place."""

    message: Message
    place: str
    line: LogLine


@dataclass(frozen=True, slots=True)
class SeenEvidence:
    """What an extraction, or one error of it, offers to the decision."""

    found: tuple[FoundMessage, ...]
    features: dict[str, float]
    root: ExtractedError | None


@lru_cache(maxsize=1 << 12)
def words(text: str) -> tuple[str, ...]:
    """Lower-case words of a line, humps of names apart, no digits."""
    return tuple(dict.fromkeys(_WORD.findall(_HUMP.sub(" ", text).lower())))


def see_evidence(
    extraction: Extraction, catalogue: Catalogue, error: ExtractedError | None = None, job: Job | None = None
) -> SeenEvidence:
    """What there is to decide by on the job's root cause, or on `error` alone when
    another of its errors is given.
    """
    root = error or (extraction.errors[0] if extraction.errors else None)
    whole = error is None or (bool(extraction.errors) and error == extraction.errors[0])
    found = tuple(_found(extraction, catalogue, root, whole=whole))
    names = [
        *_of_messages(found),
        *(_of_words(root) if root is not None else ()),
        *(_of_commands(extraction, catalogue) if whole else ()),
        *_of_step(_step_name(extraction, error, job), catalogue),
    ]
    return SeenEvidence(found, dict.fromkeys(names, 1.0), root)


def _of_messages(found: Iterable[FoundMessage]) -> Iterator[str]:
    """The features of the messages that were found, but for those of a script's text."""
    for each in found:
        message, place = each.message, each.place
        if place == "script":
            continue
        if message.category:
            yield f"category:{message.category}@{place}"
        yield f"message:{message.id}@{'head' if place == 'head' else 'any'}"
        if place in ("head", "first"):
            yield f"role:{message.role}@{place}"
        if place != "step":
            yield f"family:{message.family}"


def _of_words(root: ExtractedError) -> Iterator[str]:
    """Those of the words of the first error: its headline's, and its other lines'."""
    for word in words(root.headline) if not _SAYS_NOTHING.match(root.headline) else ():
        yield f"word:{word}@head"
    for line in root.lines[:LINES]:
        said = not line.text.lstrip().startswith(_SCRIPT) and not _SAYS_NOTHING.match(line.text)
        if said and line.number != root.line:
            yield from (f"word:{word}@first" for word in words(line.text))


def _of_commands(extraction: Extraction, catalogue: Catalogue) -> Iterator[str]:
    """Those of the commands that the failed step ran."""
    commands = commands_of(extraction)
    for command, hits in zip(commands, match_lines(catalogue, commands, "command"), strict=True):
        yield from (f"command-category:{catalogue.messages[number].category}" for number in hits)
        yield from (f"command:{word}" for word in words(command)[:6])


def _of_step(name: str, catalogue: Catalogue) -> Iterator[str]:
    """Those of the failed step's name."""
    if name:
        yield from (
            f"step-category:{catalogue.messages[number].category}"
            for number in match_lines(catalogue, [name], "step")[0]
        )
        yield from (f"step-name:{word}" for word in words(name))


def _step_name(extraction: Extraction, error: ExtractedError | None, job: Job | None) -> str:
    name = error.step if error is not None else extraction.failed_step
    if not name and job is not None:
        name = next((step.name for step in job.steps if step.conclusion == "failure"), None)
    return name or ""


def _found(
    extraction: Extraction, catalogue: Catalogue, root: ExtractedError | None, *, whole: bool
) -> Iterator[FoundMessage]:
    """Every message of the lines that count, with its place."""
    if root is None:
        return
    places: dict[int, str] = {}
    if whole:
        span = extraction.failed_span
        # What a step printed that passed is no reason for another's failure, however
        # much it looks like one.
        inside = [n for n in (line.number for line in extraction.lines) if span is None or span[0] <= n <= span[1]]
        places = dict.fromkeys(inside, "step")
        for each in extraction.errors[1 : 1 + OTHERS]:
            if each.line in places:
                places[each.line] = "other"
    for line in root.lines:
        places[line.number] = "first"
    if root.line is not None:
        places[root.line] = "head"
    texts = {line.number: line for line in (*extraction.lines, *root.lines)}
    known = {each.number: each.messages for each in extraction.messages}
    scripts = script_numbers(extraction.lines)  # what will be run is a sign of the tool, not of a failure
    numbers = [n for n in sorted(places) if n in texts]
    if not known:
        known = _matched(catalogue, [texts[n] for n in numbers])
    for number in numbers:
        place = "script" if number in scripts and places[number] != "head" else places[number]
        for name in known.get(number, ()):
            message = catalogue.by_id.get(name)
            if message is not None and (place != "script" or AGGREGATE in message.tags):
                yield FoundMessage(message, place, texts[number])
    noted = [root] if root.line is None else []
    if whole:
        noted += [e for e in extraction.errors[1:] if e.source == "annotation"]
    for each, hits in zip(noted, match_lines(catalogue, [e.headline for e in noted]), strict=True):
        for number in hits:
            yield FoundMessage(
                catalogue.messages[number], "head" if each is root else "other", LogLine(0, each.headline)
            )


def _matched(catalogue: Catalogue, lines: Sequence[LogLine]) -> dict[int, tuple[str, ...]]:
    """The messages of lines that were stored without any."""
    hits = match_lines(catalogue, [line.text for line in lines])
    return {line.number: tuple(catalogue.messages[n].id for n in each) for line, each in zip(lines, hits, strict=True)}
