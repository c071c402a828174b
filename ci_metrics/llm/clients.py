"""Choosing the model client that the settings name.

What belongs here: settings -> client, and refusing what cannot be one. Does
not: asking (the clients).
"""

from __future__ import annotations

from collections.abc import Callable

from ci_metrics.errors import SettingsError
from ci_metrics.limits import Limiter
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.prices import load_prices
from ci_metrics.settings import Settings

#: Questions to a model on their way at once: with answers of 4 s that is 480 a minute.
_MOST_AT_ONCE = 32


def build_client(settings: Settings, *, limiter: Limiter | None = None) -> ModelClient | None:
    """The client that the settings name; None when no model is to be asked.

    Raises ContractError when PRICES_FILE is wrong, SettingsError when the model cannot
    be one of the endpoint's.
    """
    if not settings.uses_model or settings.anthropic_api_key is None:
        return None
    limiter = limiter or Limiter(
        per_minute=settings.max_rpm, tokens_per_minute=settings.max_tpm, concurrency=_MOST_AT_ONCE
    )
    key = settings.anthropic_api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("ANTHROPIC_API_KEY", "has characters that no key has", "Copy the key again, without quotes")
    return _client(settings, key, limiter)


def client_to_show(settings: Settings) -> ModelClient:
    """A client that renders requests as the settings' own would, with no key: it cannot ask."""
    return _client(settings, "no-key", Limiter(per_minute=1))


def _client(settings: Settings, key: str, limiter: Limiter) -> ModelClient:
    if (
        settings.api_format == "openai"
        and settings.api_base_url is None
        and settings.anthropic_model.startswith("claude")
    ):
        raise SettingsError(
            "ANTHROPIC_MODEL",
            f"“{settings.anthropic_model}”, while API_FORMAT=openai and no API_BASE_URL ask OpenAI, which has no such model",
            "Name one of its models, or set API_BASE_URL to the endpoint that serves it",
        )
    client: ModelClient = _kind(settings.api_format)(
        api_key=key,
        model=settings.anthropic_model,
        base_url=settings.api_base_url,
        limiter=limiter,
        prices=load_prices(settings.prices_file),
    )
    return client


def _kind(api_format: str) -> Callable[..., ModelClient]:
    # Imported when a client is needed: an SDK takes a second.
    if api_format == "anthropic":
        from ci_metrics.llm.anthropic_client import AnthropicClient

        return AnthropicClient
    from ci_metrics.llm.openai_client import OpenAIClient

    return OpenAIClient
