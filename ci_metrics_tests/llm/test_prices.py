"""What tokens cost: the shipped table, providers' spellings, a file of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.llm.prices import Tokens, load_prices


def test_every_shipped_price_has_a_source_and_the_table_its_date() -> None:
    prices = load_prices()
    assert prices.checked == "2026-11-23"
    assert {"anthropic", "openai"} <= set(prices.sources)
    assert prices.find("claude-haiku-5-5")


@pytest.mark.parametrize(
    ("tokens", "batch", "dollars"),
    [
        (Tokens(1_000_000 // 10, 0, 0, 0), False, 0.01),
        (Tokens(0, 100_000, 0, 0), False, 0.001),
        (Tokens(0, 0, 100_000, 0), False, 0.0125),
        (Tokens(0, 0, 0, 1_000_000), False, 0.5),
        (Tokens(0, 0, 0, 1_000_000), True, 0.25),
        (Tokens(100_001, 0, 0, 0), False, 0.0500005),
        (Tokens(1, 100_000, 0, 1_000_000), False, 0.005 + 2.5 + 0.0000005),
    ],
)
def test_dollars_by_the_table(tokens: Tokens, batch: bool, dollars: float) -> None:
    price = load_prices().find("claude-haiku-5-5")
    assert price is not None
    assert price.cost(tokens, batch=batch) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "name",
    [
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "anthropic/claude-haiku-4-5",
        "aws/anthropic/claude-haiku-4-5",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-haiku-4-5",
        "claude-haiku-4-5@20251001",
        "Claude-Haiku-4-5",
    ],
)
def test_a_providers_spelling_finds_the_price(name: str) -> None:
    prices = load_prices()
    assert prices.find(name) == prices.models["claude-haiku-4-5"]


@pytest.mark.parametrize("name", ["claude-haiku-4", "claude-haiku-4-5-turbo", "llama3", ""])
def test_another_models_price_is_not_guessed(name: str) -> None:
    assert load_prices().find(name) is None
    assert load_prices().usage(name, Tokens(10, 0, 0, 5)).cost_usd == 0


def test_own_prices_win_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[models."claude-haiku-5-5"]\ninput = 9\noutput = 9\n[models.mine]\ninput = 0\noutput = 0\n')
    prices = load_prices(file)
    assert prices.models["claude-haiku-5-5"].input == 9
    assert prices.usage("mine", Tokens(10, 10, 10, 10), batch=True).cost_usd == 0
    assert prices.find("claude-opus-5-5")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "not TOML"),
        ("a = 1", "models: Field required"),
        ("models = {}", "models: .*at least 1"),
        ("models = {x = 5}", "models.x: .*seen: 5"),
        ("[models.x]\ninput = 1\n", "models.x.output: Field required"),
        ("[models.x]\ninput = 1\noutput = -1\n", "models.x.output: .*seen: -1"),
        ('[models.x]\ninput = 1\noutput = "2"\n', "models.x.output: .*number"),
        ("[models.x]\ninput = 1\noutput = true\n", "models.x.output: .*number"),
        ("[models.x]\ninput = 1\noutput = nan\n", "models.x.output: .*finite"),
        ("[models.x]\ninput = 1\noutput = 2\ncached = 1\n", "models.x.cached: .*not permitted"),
        ("[models.x]\ninput = 0\noutput = 0\n[model.y]\ninput = 1\n", "model: .*not permitted"),
    ],
)
def test_a_wrong_price_file_is_named_with_its_field(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ContractError, match=says):
        load_prices(file)
