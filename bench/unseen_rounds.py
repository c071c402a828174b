"""Verdicts on the rounds of recorded logs that no rule was written after, by words that have not learned from them.

    python bench/unseen_rounds.py [ROUNDS] [--rules-alone]     # default: HI; without a second opinion

Learns the second opinion's weights from the other rounds of `bench/recorded`, writes nothing, and prints what `ci-metrics evaluate`
prints, of ROUNDS alone. For H and I, the last ones, no rule of verdicts was written: they come out near the figures at first
contact in docs/quality.md, better by the labels put right and the patterns of extraction corrected since. Rules have learned from
the rounds before. Needs scikit-learn.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import train_words

from ci_metrics.commands.evaluate import answer_to, read_cases, tables
from ci_metrics.verdicts.rules import RulesClassifier
from ci_metrics.verdicts.taxonomy import load_taxonomy
from ci_metrics.verdicts.words import Weights, opinion_on

FOLDER = Path(__file__).parent / "recorded"


def main() -> None:
    """Learn, judge and print."""
    alone = "--rules-alone" in sys.argv
    asked = next((argument for argument in sys.argv[1:] if argument.isalpha()), "HI")
    rows = map(json.loads, (FOLDER / "cases.jsonl").read_text(encoding="utf-8").splitlines())
    round_of = {row["id"]: row["round"] for row in rows}
    others = [case for case in train_words.cases_of(FOLDER) if case.round not in asked]
    weights = Weights.read(train_words.written(train_words.learn(others), "other rounds"))
    classifier = RulesClassifier(load_taxonomy(None), lambda errors: None if alone else opinion_on(errors, weights))
    cases = [case for case in read_cases(FOLDER) if round_of[case.id] in asked]
    print(
        "\n".join(
            tables(
                [answer_to(case, gzip.decompress((FOLDER / case.log).read_bytes()), classifier)[0] for case in cases]
            )
        )
    )


if __name__ == "__main__":
    main()
