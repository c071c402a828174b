"""The table of the campaign: every fault tried, whether all promises held, what
happened -> docs/reliability.md.

What belongs here: going through all cases and writing the page. Does not: the cases
(`ci_metrics_tests/reliability/`).

    python -m tools.reliability             # all cases: some ten minutes on two cores
    python -m tools.reliability WORD ...    # those whose names hold one of the words: the page's
                                            other rows stay
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ci_metrics_tests import opensearch_server
from ci_metrics_tests.reliability.campaign import Case, NotPossibleError, Tried, campaign
from ci_metrics_tests.reliability.cases import CASES

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"

_HEAD = """\
# Reliability

What was tried against `ci-metrics upload`, and what happened. Written by `make campaign`
(`python -m tools.reliability`); the cases are those of `ci_metrics_tests/reliability/cases.py`.

Each case meets a small world (three repositories, two hours, failures, a re-run, annotations): the
real command runs with the fault, then without it. It holds when

- what is missing while the fault lasts is named: by the exit code, and by `problems` in `--json` or
  a message;
- no more is missing than the fault explains, and whatever goes wrong is one message, no traceback;
- the run afterwards is complete, and its documents are those of an undisturbed run: the same ids
  and bodies, but for which run wrote them and what a model was paid.

Pauses between tries, and the seconds that an answer may take, are cut short here. `make test` tries
the cases in bold.
"""


def page(rows: Mapping[str, Sequence[str]]) -> str:
    """The whole page, of the rows of each part."""
    told = {part: (len(own), sum("| yes |" in row for row in own)) for part, own in rows.items()}
    lines = [_HEAD, "| part | tried | held |", "|---|---:|---:|"]
    lines += [f"| {part} | {tried} | {held} |" for part, (tried, held) in told.items()]
    lines.append(f"| all | {sum(tried for tried, _ in told.values())} | {sum(held for _, held in told.values())} |")
    for part, own in rows.items():
        lines += ["", f"## {part}", "", "| tried | held | what happened |", "|---|---|---|", *own]
    return "\n".join(lines) + "\n"


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of each part of a page."""
    sections = re.split(r"^## (.+)$", text, flags=re.M)
    found = zip(sections[1::2], sections[2::2], strict=True)
    return {part: re.findall(r"^\| .+ \| (?:yes|no: .*) \| .*\|$", section, re.M) for part, section in found}


def merged(outcomes: Sequence[Tried], before: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The rows of all cases in their order: what was tried now, of the others those of `before`."""
    now = {each.case.name: _row(each) for each in outcomes}
    rows: dict[str, list[str]] = {}
    for case in CASES:
        kept = (row for row in before.get(case.part, ()) if row.startswith(f"| {shown_name(case)} |"))
        row = now.get(case.name) or next(kept, None)
        if row is not None:
            rows.setdefault(case.part, []).append(row)
    return rows


def _row(tried: Tried) -> str:
    held = "yes" if tried.held else f"no: {_cell(tried.case.known or tried.wrong[0])}"
    return f"| {shown_name(tried.case)} | {held} | {_cell(tried.happened)} |"


def shown_name(case: Case) -> str:
    """How the page names a case."""
    name = _cell(case.what)
    return f"**{name}**" if case.bounded else name


def _cell(text: str, most: int = 220) -> str:
    flat = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def go_through(cases: Sequence[Case]) -> Iterator[Tried]:
    """Each case in turn, told as it ends."""
    with _opensearch(wanted=any(case.opensearch for case in cases)) as address, campaign(address) as going:
        for case in cases:
            try:
                tried = going.go_through(case)
            except NotPossibleError as error:
                tried = Tried(case=case, wrong=(f"not tried: {error}",), happened="")
            print("held " if tried.held else "BROKE", case.name, "|", tried.happened[:200], flush=True)
            for wrong in tried.wrong:
                print("       -", wrong[:600], flush=True)
            yield tried


@contextmanager
def _opensearch(*, wanted: bool) -> Iterator[str]:
    """The address of a real server, which ends with the block; "" where there can be none."""
    opensearch_server.begin_session()
    try:
        yield opensearch_server.server_url() if wanted else ""
    except opensearch_server.NoServerError as error:
        print(f"no OpenSearch: {error}", flush=True)
        yield ""
    finally:
        opensearch_server.end_session()


def main() -> int:
    """Go through them; 1 when a promise was broken that is not known to be."""
    parser = argparse.ArgumentParser(prog="python -m tools.reliability", description=__doc__)
    parser.add_argument(
        "word", nargs="*", help="only cases whose names hold one of these; the page keeps the other rows"
    )
    words = parser.parse_args().word or [""]
    outcomes = list(go_through([case for case in CASES if any(word in case.name for word in words)]))
    before = rows_of(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    PAGE.write_text(page(merged(outcomes, before)), encoding="utf-8")
    print(f"{len(outcomes)} tried, {sum(each.held for each in outcomes)} held")
    return any(not each.held and not each.case.known for each in outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
