"""What another version of the fingerprint's algorithm calls a group of failures, found by
what their documents quote.

What belongs here: telling that two groups of different versions are one. Does not: what makes two
failures the same (`logs/fingerprint.py`), when a group is new (`groups.py`).

A new version gives every failure another fingerprint and group, while the hours that nobody has
redone keep the old ones. Both say in `s_error_evidence` which lines prove them, and of a line any
version of the code can say what it names: so a cause that was known before is not new for having
another name. Once an hour is redone, its documents carry the new names and nothing need be
compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where

#: Documents of a group that are looked at: what the others quote, these do.
SAMPLES = 3

_FIELDS = ("s_error_group", "s_error_evidence", "b_error_generic")


def earlier_names(index: DocumentIndex, examples: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    """For each of these groups the groups of other versions that are the same; those
    without any are left out.

    `examples`: group -> ids of some of its jobs' documents. Two groups are the same when the first
    telling line that a document of the one quotes is quoted by a document of the other too.
    """
    versions = {_version(name) for name in examples}
    others = list(_of_other_versions(index, versions))
    if not others:
        return {}
    ids = [id_ for several in examples.values() for id_ in several[:SAMPLES]]
    bodies = index.get("jobs", ids)
    ours = {
        name: [_quoted(bodies[id_]) for id_ in several[:SAMPLES] if id_ in bodies] for name, several in examples.items()
    }
    by_line: dict[str, set[str]] = defaultdict(set)
    for name, quoted in ours.items():
        for line in (line for lines in quoted for line in lines):
            by_line[line].add(name)
    found: dict[str, set[str]] = defaultdict(set)
    for document in others if by_line else ():
        old = str(document.body["s_error_group"])
        theirs = _quoted(document.body)
        for name in {name for line in theirs for name in by_line.get(line, ())}:
            heads = {lines[0] for lines in ours[name] if lines}
            met = theirs[0] in by_line and name in by_line[theirs[0]]
            if _version(name) != _version(old) and (met or heads & set(theirs)):
                found[name].add(old)
    return {name: frozenset(old) for name, old in found.items()}


def _of_other_versions(index: DocumentIndex, versions: set[str]) -> Iterator[Document]:
    """The first few failed jobs of every telling group that is not of the one version in force;
    of all, where there are several.
    """
    ranges: list[tuple[str | None, str | None]] = [(None, None)]
    if len(versions) == 1:
        (version,) = versions
        ranges = [
            (None, f"{version}-"),
            (f"{version}.", None),
        ]  # a group is its version, "-" and a hash; "." comes after "-"
    seen: Counter[str] = Counter()
    for bounds in ranges:
        # No status: only failed jobs have a group, and its index is the one to begin with.
        where = Where(
            ranges={} if bounds == (None, None) else {"s_error_group": bounds},
            exists=("s_error_group", "s_error_evidence"),
        )
        for document in index.scan("jobs", where, fields=_FIELDS):
            group = str(document.body["s_error_group"])
            if seen[group] < SAMPLES and document.body.get("b_error_generic") is not True:
                seen[group] += 1
                yield document


def _quoted(body: Body) -> list[str]:
    """What the lines that a document quotes name, in order, whatever version wrote it; lines
    that name nothing are left out.
    """
    from ci_metrics.logs import fingerprint  # it takes half a second to load, and is needed after an upgrade only

    named = (fingerprint.group_of_line(line) for line in str(body.get("s_error_evidence") or "").splitlines())
    return [name for name in dict.fromkeys(named) if name]


def _version(group: str) -> str:
    return group.partition("-")[0]
