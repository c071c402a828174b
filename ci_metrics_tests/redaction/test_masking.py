"""Secrets do not leave, what only looks like one stays, and masking is done once and for all."""

from __future__ import annotations

import random

import pytest

from ci_metrics.redaction import MASK, redact, redact_lines
from ci_metrics_tests.redaction.leaks import COMMON, LEAKS, RARER, example, filled
from ci_metrics_tests.redaction.lookalikes import LOOKALIKES

#: Values are random: each kind is tried with as many.
SEEDS = range(3)
#: Shortest piece of a secret that must not be seen either.
PIECE = 12


def leaked(text: str, secrets: list[str]) -> list[str]:
    """Which of `secrets`, or pieces of them, stand in `text`."""
    return [
        secret
        for secret in secrets
        if secret in text or any(secret[at : at + PIECE] in text for at in range(0, len(secret) - PIECE + 1, 4))
    ]


@pytest.mark.parametrize("kind", LEAKS)
def test_no_secret_of_any_kind_is_seen(kind: str) -> None:
    for seed in SEEDS:
        text, secrets = example(LEAKS[kind], random.Random(f"{seed} {kind}"))
        masked, count = redact(text)
        assert secrets and leaked(masked, secrets) == [], masked
        assert MASK in masked and count >= 1
        assert masked.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "letters", ["qwzkvhtmbxlp", "HJQKVZWMTBXRLPGN", "xkcvjqpwmzrtbhgd", "kJhGfTrWqZxLb", "WqZxLbNvTrKjHg"]
)
def test_letters_drawn_by_chance_are_masked_behind_a_name_that_says_so(letters: str) -> None:
    assert redact(f"API_TOKEN={letters} refused")[0] == f"API_TOKEN={MASK} refused"
    assert redact(f"name={letters} refused") == (f"name={letters} refused", 0)


@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    for seed in SEEDS:
        line = filled(text, random.Random(f"{seed} {text}"))
        assert redact(line) == (line, 0)


def test_the_tables_are_as_large_as_they_claim() -> None:
    assert len(COMMON) >= 60 and len(RARER) >= 300 and len(set(LOOKALIKES)) >= 500


@pytest.mark.parametrize(
    "before",
    [
        "2031-01-01T00:00:00.1234567Z ",
        "\ufeff2031-01-01T00:00:00.1234567Z ",
        "build\tRun make\t2031-01-01T00:00:00.1234567Z ",
        "#12 3.456 ",
        "db-1  | ",
        "[INFO] ",
        "\x1b[36;1m",
        "größer → ",
    ],
)
def test_common_secrets_are_masked_behind_any_prefix(before: str) -> None:
    rng = random.Random(7)
    for kind, template in COMMON.items():
        text, secrets = example(template, rng)
        masked, _ = redact("\n".join(before + line for line in text.split("\n")))
        assert leaked(masked, secrets) == [], kind


def test_the_name_of_a_secret_stays() -> None:
    assert redact("DB_PASSWORD=" + "hunter" + "22x refused")[0] == f"DB_PASSWORD={MASK} refused"
    assert redact("postgres://app:" + "hunter" + "22x@db/app refused")[0] == f"postgres://app:{MASK}@db/app refused"


def test_masking_twice_changes_nothing_and_no_cut_of_a_masked_text_reveals() -> None:
    rng = random.Random(20310101)
    texts = [example(template, rng) for template in LEAKS.values()]
    texts += [(filled(template, rng), []) for template in LOOKALIKES]
    for _ in range(1_500):
        chosen = rng.sample(texts, rng.randint(1, 4))
        whole = rng.choice(["\n", " ", "", ", ", "\n  "]).join(text for text, _ in chosen)
        first, last = sorted(rng.choices(range(len(whole) + 1), k=2))
        for text in (whole, whole[first:last]):
            once, _ = redact(text)
            assert redact(once) == (once, 0)
            assert once.count("\n") == text.count("\n")


def test_any_text_comes_back_readable() -> None:
    rng = random.Random(3)
    pieces = [
        "\ud800",
        "\x00",
        "é",
        "日本",
        "\x85",
        "\xa0",
        "🔑",
        "\r",
        "\x1b[",
        "password=",
        '"',
        "\\",
        "://",
        "@",
        "%",
        "=",
    ]
    for _ in range(3_000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randint(0, 30)))
        masked, _ = redact(text)
        assert masked.count("\n") == text.count("\n")
        assert redact(masked)[0] == masked


def test_lines_are_masked_together() -> None:
    text, secrets = example(LEAKS["private key"], random.Random(1))
    lines, count = redact_lines(["before", *text.split("\n"), "after"])
    assert count == 1
    assert lines[0] == "before" and lines[-1] == "after" and len(lines) == text.count("\n") + 3
    assert leaked("\n".join(lines), secrets) == []
    assert redact_lines([]) == ([], 0)


@pytest.mark.parametrize(
    "end", ["Error: exit code 1", "make: *** [Makefile:12: deploy] Error 2", "FAILED", "", "Aborted"]
)
def test_a_key_whose_end_never_comes_swallows_nothing(end: str) -> None:
    begin = "-" * 5 + "BEGIN RSA PRIVATE KEY" + "-" * 5
    for text in (f"{begin}\n{end}\n{end}", f"{begin}\n{'b6Ck' * 16}\n{end}\nthe last line"):
        masked, _ = redact(text)
        assert masked.split("\n")[-2:] == text.split("\n")[-2:]


def test_nothing_switches_masking_off() -> None:
    begin = "-" * 5 + "BEGIN RSA PRIVATE KEY" + "-" * 5
    masked, _ = redact(f"{begin}\nDB_PASSWORD=" + "hunter" + "22x\nAPI_TOKEN=" + "a1B2c3D4" * 4)
    assert masked == f"{begin}\nDB_PASSWORD={MASK}\nAPI_TOKEN={MASK}"
