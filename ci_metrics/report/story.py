"""What happened, in three to five plain sentences, made by rules from what was computed.

What belongs here: the sentences, one for each kind of fact, and which of them are said. Does not:
the facts (`history/story.py`), markup: the texts are plain, and each surface makes them harmless
itself. The report, the run's summary, `top` and Dagster say the same.

A fact that is not known is not said, and no sentence says more than its facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.groups import Group
from ci_metrics.history.story import Commit, Outage, Story, ToldFlake, ToldSpell, read_story
from ci_metrics.history.stretch import Stretch
from ci_metrics.report.readable import counted, cut, minutes, moment, percent, readable_number, some, spoken

#: Sentences of a story: where there are as many, what is counted is left to those who count it.
_MOST = 5

#: Characters of a quoted line.
_QUOTED = 120

#: A quotation within one.
_INNER = str.maketrans("“”", "''")

#: Names of pull requests, repositories, owners in one sentence.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence. `link`: where to see it, on GitHub, or ""; `counts`: it says how many
    jobs failed and what was lost, which some surfaces show beside it anyway.
    """

    text: str
    link: str = ""
    counts: bool = False


def story(told: Story) -> list[Sentence]:
    """The sentences, what is broken now first."""
    if not told.failed:
        return [Sentence(f"No job failed; {readable_number(told.jobs)} passed.")] if told.jobs else []
    said = [*_red(told), *_outage(told.outages), *_flaky(told.flakiest), *_new(told)]
    return said if len(said) >= _MOST else [*said, _lost(told)]


def told_of(stretch: Stretch) -> Story:
    """The facts of a stretch of time."""
    return read_story(
        stretch.index,
        stretch.in_short,
        stretch.groups,
        stretch.flaky,
        repos=stretch.repos,
        history_begins=stretch.history_begins,
        failures=stretch.failures,
    )


def _red(told: Story) -> Iterator[Sentence]:
    """The foremost spell that is still red, the foremost that ended, and how many there are."""
    still = [each for each in told.spells if each.spell.ended is None]
    ended = [each for each in told.spells if each.spell.ended is not None]
    named = [*still[:1], *ended[:1]]
    others = [each for each in told.spells if each not in named]
    for each in named:
        more = f" {_others(others)}" if others and each is named[-1] else ""
        yield Sentence(f"{': '.join(spell_in_words(each))}.{more}", each.compare)


def _others(spells: Sequence[ToldSpell]) -> str:
    still = sum(each.spell.ended is None for each in spells)
    now = f", {still} of them still red" if still else ""
    lasted = minutes(sum(each.spell.minutes for each in spells) * 60)
    return f"{counted(len(spells), 'more red spell')} of default branches lasted {lasted} in all{now} (ci-metrics top red)."


def spell_in_words(told: ToldSpell) -> tuple[str, str]:
    """One red spell: which jobs where, since when, with which error; and by whose commit, whom it
    held up. A branch has as many spells at a time as commits broke jobs of it.
    """
    spell = told.spell
    jobs = [f"{workflow} / {name}" if workflow else name for _, workflow, name in spell.job_names]
    where, one = f"{some(jobs)} on {spell.branch} of {spell.repo}", len(jobs) == 1
    lasted = minutes(spell.minutes * 60)
    if spell.ended is not None:
        was = "was" if one else "were"
        text = f"{where} {was} red for {lasted}, from {moment(spell.began)} to {_until(spell.began, spell.ended)} UTC"
    elif spell.minutes:
        seen = f"last seen at {_until(spell.began, spell.seen)} ({lasted})"
        text = f"{where} {'has' if one else 'have'} been red since {moment(spell.began)} UTC, {seen}"
    else:
        text = f"{where} turned red at {moment(spell.began)} UTC, in {'its' if one else 'their'} newest run"
    text += f", with {_quoted(told.quote)}" if told.quote else ""
    parts = [_first_bad(told.first_bad, spell.untested)]
    if spell.ended_by:
        parts.append(f"commit {spell.ended_by[:7]} ended it")
    if told.inherited:
        named = some([f"#{number}" for number in told.inherited], _NAMED)
        parts.append(f"{'pull request' if len(told.inherited) == 1 else 'pull requests'} {named} failed with it too")
    if spell.owners:
        parts.append(f"{'owner' if len(spell.owners) == 1 else 'owners'} {some(spell.owners)}")
    return text, "; ".join(parts)


def _first_bad(commit: Commit | None, untested: int) -> str:
    if commit is None or not commit.sha:
        return "since which commit is not known"
    by = f" by {commit.author}" if commit.author else f", pushed by {commit.pushed_by}" if commit.pushed_by else ""
    pull = f" (#{commit.pull})" if commit.pull else ""
    if untested:  # then another author may have to do with it
        return f"first seen at commit {commit.sha[:7]}, after {counted(untested, 'commit')} at which it did not run to an end"
    return f"first bad commit {commit.sha[:7]}{by}{pull}"


def _outage(outages: Sequence[Outage]) -> Iterator[Sentence]:
    if not outages:
        return
    outage = outages[0]
    kinds = some([spoken(kind) for kind in outage.types])
    where = outage.repos[0] if len(outage.repos) == 1 else counted(len(outage.repos), "repository", "repositories")
    smaller = len(outages) - 1
    more = f" There {'was' if smaller == 1 else 'were'} {counted(smaller, 'smaller outage')} too." if smaller else ""
    yield Sentence(
        f"From {moment(outage.began)} to {_until(outage.began, outage.ended)} UTC an outage ({kinds}) failed "
        f"{_jobs(outage.failures)} in {where}: no commit caused that.{more}"
    )


def _flaky(told: ToldFlake | None) -> Iterator[Sentence]:
    if told is None:
        return
    flake = told.flake
    rate = f" ({percent(told.rate)})" if told.rate is not None else ""
    yield Sentence(
        f"The flakiest failure is {_quoted(told.headline)}: in {flake.failures} of {readable_number(told.ran)} runs of "
        f"{some(flake.jobs)}{rate} it failed and then passed at the same commit."
    )


def _new(told: Story) -> Iterator[Sentence]:
    if told.new is None:
        return
    if not told.new:
        yield Sentence(f"No cause is new since {moment(told.new_since)} UTC.")
        return
    first = told.new[0]
    lead = "it is" if len(told.new) == 1 else "most frequent:"
    yield Sentence(
        f"{counted(len(told.new), 'cause')} {'is' if len(told.new) == 1 else 'are'} new since {moment(told.new_since)} UTC; "
        f"{lead} {_quoted(first.headline)} ({_jobs(first.count)}, {some(first.repos)})."
    )


def _lost(told: Story) -> Sentence:
    rate = percent(told.failed / told.jobs) if told.jobs else "–"
    apart = rates_apart({kind: row.rate for kind, row in told.branch_kinds.items()})
    where = f": {apart}" if apart else ""
    most = _biggest(told.biggest) if told.biggest is not None else ""
    return Sentence(
        f"{readable_number(told.failed)} of {_jobs(told.jobs)} failed ({rate}{where}); they and their re-runs took "
        f"{minutes(told.lost)}{most}.",
        counts=True,
    )


def rates_apart(rates: Mapping[str, float | None]) -> str:
    """The failure rates by what jobs ran on, in words; "" where only one is known."""
    names = {"default": "on default branches", "pull_request": "in pull requests", "other": "on other branches"}
    known = [f"{percent(rates[kind])} {words}" for kind, words in names.items() if rates.get(kind) is not None]
    return ", ".join(known) if len(known) > 1 else ""


def _biggest(group: Group) -> str:
    lost = minutes(group.lost_minutes * 60)
    return f", {lost} of it for {_quoted(group.headline)}" if group.headline and group.lost_minutes >= 1 else ""


def _quoted(text: str) -> str:
    flat = " ".join(text.translate(_INNER).split())
    return f"“{cut(flat, _QUOTED)}”"


def _until(began: datetime, end: datetime) -> str:
    return end.strftime("%H:%M") if end.date() == began.date() else moment(end)


def _jobs(count: int) -> str:
    return counted(count, "job")
