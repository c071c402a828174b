"""Secrets do not leave: masked once, at the exit, with line numbers intact."""

from __future__ import annotations

import pytest

from ci_metrics.logs import extract, redact
from ci_metrics.logs.redact import MASK

#: Put together here so that no scanner takes this file for a leak.
GITHUB = "ghp_" + "a1B2c3D4e5" * 4
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
JWT = ".".join(("eyJ" + "hbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N"))
SECRETS = (
    ("GitHub token", f"remote: using {GITHUB} to push", GITHUB),
    ("GitHub fine-grained token", "token github_" + "pat_" + "11ABCDEFG0" * 5, "pat_11ABCDEFG0"),
    ("server token", "GITHUB_TOKEN=ghs" + "_" + "Zz09" * 9, "Zz09Zz09"),
    ("AWS key id", f"Unable to use {AWS} for S3", AWS),
    ("AWS secret", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
    ("Slack token", "posting with xox" + "b-123456789012-abcdefABCDEF", "123456789012-abc"),
    ("Slack hook", "curl https://hooks.slack.com/services/T00000000/B00000000/" + "x" * 24, "B00000000"),
    ("npm token", "//registry/:_authToken=npm_" + "a1B2" * 9, "a1B2a1B2"),
    ("PyPI token", "TWINE_PASSWORD=pypi-" + "AgEIcHlwaS5vcmc" * 4, "AgEIcHlwaS5vcmc"),
    ("JSON web token", f"Authorization: Bearer {JWT}", JWT),
    ("basic authorization", "authorization: Basic dXNlcjpwYXNzd29yZDEyMw==", "dXNlcjpwYXNz"),
    ("password in an address", "fatal: unable to access https://bot:s3cr3tPw@git.example/a.git", "s3cr3tPw"),
    ("database address", "postgres://app:hunter22@db:5432/app refused", "hunter22"),
    ("Anthropic key", "ANTHROPIC_API_KEY is sk-" + "ant-api03-" + "Ab1" * 12, "Ab1Ab1"),
    ("password option", "mysql --password=Tr0ub4dor3 failed", "Tr0ub4dor3"),
    ("password assignment", "DB_PASSWORD: 'c0rrect-h0rse'", "c0rrect-h0rse"),
    ("JSON", '{"client_secret": "q8W7e6R5t4Y3u2I1"}', "q8W7e6R5t4Y3u2I1"),
)
HARMLESS = (
    "Error: Input required and not supplied: token",
    "token: ***",
    "SyntaxError: Unexpected token ',' in JSON at position 12",
    "password: required",
    "error: secret MY_TOKEN is not set",
    "keyword argument: unexpected_keyword",
    "KeyError: 'user'",
    "https://github.com/a/b/actions/runs/1234567890",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "tests/test_tokens.py::test_secret_is_masked FAILED",
)


@pytest.mark.parametrize(("what", "text", "secret"), SECRETS, ids=[row[0] for row in SECRETS])
def test_a_secret_is_masked(what: str, text: str, secret: str) -> None:
    clean, count = redact(text)
    assert secret not in clean
    assert MASK in clean
    assert count >= 1


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == (text, 0)


@pytest.mark.parametrize("text", [row[1] for row in SECRETS])
def test_masking_twice_changes_nothing(text: str) -> None:
    once, _ = redact(text)
    assert redact(once) == (once, 0)


def test_a_private_key_is_masked_whole_and_line_breaks_stay() -> None:
    body = ["MIIEpAIBAAKCAQEA" + "b" * 48, "c2VjcmV0" * 8]
    text = "\n".join(
        ["before", "-----BEGIN RSA " + "PRIVATE KEY-----", *body, "-----END RSA PRIVATE KEY-----", "after"]
    )
    clean, count = redact(text)
    assert count == 1
    assert clean.count("\n") == text.count("\n")
    assert clean.startswith("before\n") and clean.endswith("\nafter")
    assert not any(line in clean for line in body)


def test_an_excerpt_its_lines_and_its_headlines_hold_no_secret() -> None:
    log = f"make test\nfatal: unable to access https://bot:s3cr3tPw@git.example/a.git\nerror: {GITHUB} was refused\n".encode()
    found = extract(log)
    everything = repr(found)
    assert "s3cr3tPw" not in everything and GITHUB not in everything
    assert found.redactions == 2
    assert [line.number for line in found.lines] == [1, 2, 3]
