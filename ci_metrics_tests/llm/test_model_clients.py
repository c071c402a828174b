"""Both protocols, over real HTTP: what is sent, what is read, what is learnt from refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import anthropic
import jsonschema
import openai
import pytest
from anthropic.types import Message

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.errors import AuthenticationError, PermanentError, RateLimitedError, SettingsError, TransientError
from ci_metrics.limits import Limiter
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.clients import build_client
from ci_metrics.llm.prompt import Prompt, build_prompt
from ci_metrics.retrying import RetryPolicy
from ci_metrics.settings import load_settings
from ci_metrics_tests.llm.model_server import KEY, Fault, ModelServer
from ci_metrics_tests.verdicts.failures import extraction_of

MakeClient = Callable[..., ModelClient]
FORMATS = ["anthropic", "openai"]


def a_prompt(text: str = "$ run\nTimeout >30.0s\nend") -> Prompt:
    extraction = extraction_of(text, headline_line=101, fingerprint="f")
    return build_prompt(taxonomy=load_taxonomy(None), extraction=extraction, error=extraction.errors[0])


def test_the_servers_messages_are_what_the_sdk_says_a_message_is(make_client: MakeClient, server: ModelServer) -> None:
    client = make_client()
    server.fault(*["refusal", "truncated", "not_json", "bad_quotes"])
    for _ in range(5):
        client.ask(a_prompt())
    server.refuses = ("schema",)
    client.ask(a_prompt())
    assert len(server.sent) == 6
    for sent in server.sent:
        Message.model_validate(sent, strict=True)


def test_the_servers_completions_are_what_the_sdk_says_a_completion_is(
    make_client: MakeClient, server: ModelServer
) -> None:
    client = make_client("openai", model="gpt-6-luna")
    server.fault("refusal", "truncated")
    for _ in range(3):
        client.ask(a_prompt())
    for sent in server.sent:
        openai.types.chat.ChatCompletion.model_validate(sent)


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize("refuses", [(), ("schema",)])
def test_with_and_without_a_schema_the_answer_comes_and_what_was_refused_is_not_tried_again(
    make_client: MakeClient, server: ModelServer, api_format: str, refuses: tuple[str, ...]
) -> None:
    server.refuses = refuses
    client = make_client(api_format)
    for _ in range(2):
        reply = client.ask(a_prompt())
        assert json.loads(reply.text)["error_type"] == "timeout"
        assert reply.stop == "end"
    assert len(server.requests) == 2 + len(refuses)


@pytest.mark.parametrize("api_format", FORMATS)
def test_the_schema_goes_with_the_request(make_client: MakeClient, server: ModelServer, api_format: str) -> None:
    client = make_client(api_format)
    reply = client.ask(a_prompt())
    body = server.requests[0]["body"]
    if api_format == "anthropic":
        schema = body["output_config"]["format"]["schema"]
    else:
        assert body["response_format"]["json_schema"]["strict"] is True
        schema = body["response_format"]["json_schema"]["schema"]
    jsonschema.validate(json.loads(reply.text), schema)
    assert "flaky_test" not in schema["properties"]["error_type"]["enum"]
    assert "unknown" in schema["properties"]["error_type"]["enum"]


def test_only_the_prefix_is_marked_for_the_cache_and_reads_are_counted(
    make_client: MakeClient, server: ModelServer
) -> None:
    client = make_client()
    first, second = client.ask(a_prompt()), client.ask(a_prompt("$ other\nerror: y\nend"))
    body = server.requests[0]["body"]
    assert body["system"][-1]["cache_control"] == {"type": "ephemeral"}
    assert isinstance(body["messages"][0]["content"], str)
    assert (first.usage.cached_tokens, first.cache_write_tokens > 4096) == (0, True)
    assert second.usage.cached_tokens > 4096
    assert second.usage.prompt_tokens > second.usage.cached_tokens
    assert second.usage.cost_usd < first.usage.cost_usd / 3


def test_openai_formats_cached_tokens_are_read(make_client: MakeClient) -> None:
    client = make_client("openai", model="gpt-6-luna")
    client.ask(a_prompt())
    reply = client.ask(a_prompt())
    assert reply.usage.cached_tokens > 1024
    assert 0 < reply.usage.cost_usd < 0.001


@pytest.mark.parametrize("api_format", FORMATS)
def test_show_request_is_exactly_what_leaves(make_client: MakeClient, server: ModelServer, api_format: str) -> None:
    client = make_client(api_format)
    shown = client.render(a_prompt())
    client.ask(a_prompt())
    assert shown["body"] == server.requests[0]["body"]
    assert shown["url"] == server.url + server.requests[0]["path"]
    assert KEY not in json.dumps(shown)


@pytest.mark.parametrize("api_format", FORMATS)
def test_no_sampling_or_prefill_is_sent(make_client: MakeClient, server: ModelServer, api_format: str) -> None:
    make_client(api_format).ask(a_prompt())
    body = server.requests[0]["body"]
    assert not {"temperature", "top_p", "top_k"} & set(body)
    assert body["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", {"effort": "low"}),
        ("claude-opus-5-5", {"effort": "low"}),
        ("claude-haiku-4-5", {}),
        ("aws/anthropic/claude-opus-4-5", {}),
    ],
)
def test_a_model_is_told_to_think_little_where_it_can_be_told(
    make_client: MakeClient, model: str, sent: dict[str, Any]
) -> None:
    body = make_client(model=model).render(a_prompt())["body"]
    got = {"thinking": body["thinking"]} if "thinking" in body else {}
    got |= {"effort": body["output_config"]["effort"]} if "effort" in body["output_config"] else {}
    assert got == sent


def test_an_optional_parameter_that_is_refused_is_left_out(make_client: MakeClient, server: ModelServer) -> None:
    server.refuses = ("thinking",)
    client = make_client()
    client.ask(a_prompt())
    client.ask(a_prompt())
    assert ["thinking" in r["body"] for r in server.requests] == [True, False, False]


def test_either_name_of_the_answers_limit_is_found(make_client: MakeClient, server: ModelServer) -> None:
    server.refuses = ("max_tokens",)
    make_client("openai").ask(a_prompt())
    assert "max_completion_tokens" in server.requests[-1]["body"]


# Faults


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize(
    ("kind", "error", "tries"),
    [
        ("500", TransientError, 3),
        ("529", TransientError, 3),
        ("429", TransientError, 3),
        ("broken", TransientError, 3),
        ("html", TransientError, 3),
        ("400", PermanentError, 1),
        ("404", PermanentError, 1),
        ("413", PermanentError, 1),
        ("403", AuthenticationError, 1),
    ],
)
def test_what_is_tried_again_and_how_often(
    make_client: MakeClient, server: ModelServer, api_format: str, kind: str, error: type[Exception], tries: int
) -> None:
    server.fault(*[kind] * 20)
    with pytest.raises(error) as raised:
        make_client(api_format).ask(a_prompt())
    assert len(server.requests) == tries
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("api_format", FORMATS)
@pytest.mark.parametrize("status", ["429", "529", "503"])
def test_retry_after_is_obeyed_and_holds_back_all_calls(
    make_client: MakeClient, server: ModelServer, api_format: str, status: str
) -> None:
    naps: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    limiter = Limiter(per_minute=1000, clock=lambda: now[0], sleep=sleep)
    client = make_client(api_format, limiter=limiter, sleep=sleep)
    server.fault(Fault(status, retry_after="4"))
    client.ask(a_prompt())
    assert sum(naps) == pytest.approx(4.0)
    # another thread's call in that time would have waited as well
    limiter.pause(7)
    client.ask(a_prompt())
    assert sum(naps) == pytest.approx(11.0)


def test_a_wait_longer_than_allowed_is_raised_with_its_length(make_client: MakeClient, server: ModelServer) -> None:
    server.fault(Fault("429", retry_after="900"))
    with pytest.raises(RateLimitedError) as raised:
        make_client().ask(a_prompt())
    assert raised.value.retry_after == 900


@pytest.mark.parametrize("api_format", FORMATS)
def test_a_slow_answer_is_given_up_and_tried_again(
    make_client: MakeClient, server: ModelServer, api_format: str
) -> None:
    server.fault(Fault("slow", seconds=1.5))
    client = make_client(api_format, timeout=0.4, policy=RetryPolicy(attempts=2, first_wait=0.001))
    assert client.ask(a_prompt()).stop == "end"
    assert len(server.requests) == 2


@pytest.mark.parametrize("api_format", FORMATS)
def test_the_sdks_retry_nothing_themselves(make_client: MakeClient, server: ModelServer, api_format: str) -> None:
    server.fault("500", "500")
    with pytest.raises(TransientError):
        make_client(api_format, policy=RetryPolicy(attempts=1)).ask(a_prompt())
    assert len(server.requests) == 1


@pytest.mark.parametrize("api_format", FORMATS)
def test_no_redirect_takes_the_question_or_the_key_to_another_address(
    make_client: MakeClient, server: ModelServer, api_format: str
) -> None:
    with ModelServer() as elsewhere:
        server.redirect_to = elsewhere.url
        server.fault("redirect")
        with pytest.raises(PermanentError, match=r"307.*API_BASE_URL"):
            make_client(api_format).ask(a_prompt())
        assert (len(server.requests), elsewhere.requests) == (1, [])


@pytest.mark.parametrize(("kind", "stop"), [("refusal", "refusal"), ("truncated", "truncated"), ("not_json", "end")])
@pytest.mark.parametrize("api_format", FORMATS)
def test_why_an_answer_ended_is_read(
    make_client: MakeClient, server: ModelServer, api_format: str, kind: str, stop: str
) -> None:
    server.fault(kind)
    assert make_client(api_format).ask(a_prompt()).stop == stop


@pytest.mark.parametrize("api_format", FORMATS)
def test_the_settings_choose_the_client(server: ModelServer, api_format: str) -> None:
    environ = {
        "ENABLE_ERROR_CLASSIFICATION": "true",
        "ANTHROPIC_API_KEY": KEY,
        "API_FORMAT": api_format,
        "API_BASE_URL": server.url + "/v1",
        "ANTHROPIC_MODEL": "claude-haiku-4-5",
    }
    client = build_client(load_settings(environ))
    assert client is not None
    assert client.ask(a_prompt()).model == "claude-haiku-4-5"
    client.close()


def test_without_a_key_or_with_classification_off_there_is_no_client() -> None:
    assert build_client(load_settings({"ENABLE_ERROR_CLASSIFICATION": "true"})) is None
    assert build_client(load_settings({"ANTHROPIC_API_KEY": KEY})) is None


def test_a_model_that_the_endpoint_cannot_have_is_said_at_start() -> None:
    environ = {"ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": KEY, "API_FORMAT": "openai"}
    with pytest.raises(SettingsError, match=r"ANTHROPIC_MODEL.*claude-haiku-5-5.*API_BASE_URL"):
        build_client(load_settings(environ))


@pytest.mark.parametrize("key", ["“sk-ant-123”", "sk-ant\n123"])
def test_a_key_that_cannot_be_one_is_said_at_start_and_not_shown(key: str) -> None:
    environ = {"ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": key}
    with pytest.raises(SettingsError, match="ANTHROPIC_API_KEY") as raised:
        build_client(load_settings(environ))
    assert "123" not in str(raised.value)


@pytest.mark.parametrize("api_format", FORMATS)
def test_text_that_is_no_text_can_be_sent(make_client: MakeClient, api_format: str) -> None:
    prompt = a_prompt("$ run\nbad \ud83d half, nul \x00, \ufffd and 你好\nend")
    assert make_client(api_format).ask(prompt).stop == "end"


def test_a_model_that_is_not_there_says_what_to_check(make_client: MakeClient, server: ModelServer) -> None:
    server.fault("404")
    with pytest.raises(PermanentError, match="ANTHROPIC_MODEL"):
        make_client().ask(a_prompt())


def test_the_environment_does_not_redirect_the_sdks(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for api_format, host in (("anthropic", "https://api.anthropic.com"), ("openai", "https://api.openai.com")):
        environ = {"ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": KEY, "API_FORMAT": api_format}
        environ["ANTHROPIC_MODEL"] = "claude-haiku-5-5" if api_format == "anthropic" else "gpt-6-luna"
        client = build_client(load_settings(environ))
        assert client is not None
        assert client.render(a_prompt())["url"].startswith(host)
        client.close()
        make_client(api_format).ask(a_prompt())  # is answered by the server that it names


@pytest.mark.parametrize("api_format", FORMATS)
def test_a_password_in_the_address_is_not_shown(make_client: MakeClient, server: ModelServer, api_format: str) -> None:
    server.fault("400")
    client = make_client(api_format, base_url=server.url.replace("//", "//user:hunter2@") + "/v1")
    with pytest.raises(PermanentError) as raised:
        client.ask(a_prompt())
    assert "hunter2" not in str(raised.value) + json.dumps(client.render(a_prompt()))


@pytest.mark.paid
@pytest.mark.skipif("CI_METRICS_PAID_TEST_KEY" not in os.environ, reason="CI_METRICS_PAID_TEST_KEY is not set")
def test_the_real_endpoint_answers_in_the_schema_and_reads_its_cache() -> None:
    environ = {"ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": os.environ["CI_METRICS_PAID_TEST_KEY"]}
    for name in ("ANTHROPIC_MODEL", "API_FORMAT", "API_BASE_URL"):
        environ[name] = os.environ.get(f"CI_METRICS_PAID_TEST_{name}", "")
    client = build_client(load_settings(environ))
    assert client is not None
    prompt = a_prompt("$ pytest\nE   Failed: Timeout >30.0s\n1 failed, 20 passed in 31.20s")
    replies = [client.ask(prompt), client.ask(prompt)]
    for reply in replies:
        answer = json.loads(reply.text)
        jsonschema.validate(answer, prompt.schema)
        assert answer["error_type"] == "timeout"
    assert replies[1].usage.cached_tokens > 0 or not client.caches_prefix
    client.close()


def test_anthropics_sdk_is_of_the_generation_this_was_written_for() -> None:
    assert anthropic.__version__.startswith("2.")


@pytest.mark.parametrize("api_format", FORMATS)
def test_an_answer_that_comes_a_byte_now_and_then_is_not_waited_for(
    make_client: MakeClient, server: ModelServer, api_format: str
) -> None:
    client = make_client(api_format, timeout=0.5, policy=RetryPolicy(attempts=1))
    server.fault(Fault("drip", seconds=0.05))
    with pytest.raises(TransientError, match=r"[Tt]imed out"):
        client.ask(a_prompt())
