"""Where secrets stand in documents and in what programs say: elements, pairs, tuples, columns,
sentences, prompts, workflow commands.

Belongs here: one line of text in, spans of secrets out, as in `places.py`. Does not:
``name=value``, addresses, headers, options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.places import SecretPlace, value_at
from ci_metrics.redaction.secret_names import STEM, NameKind, name_kind
from ci_metrics.redaction.secret_values import (
    is_readable,
    is_reference,
    is_secret,
    looks_chosen,
    looks_made,
    looks_random,
)

_Q = r"\\*[\"']"  # a quote, escaped or not
_ELEMENT = re.compile(r"<([\w:.-]{2,60})(?:[ \t][^<>]{0,200})?>(?:<!\[CDATA\[)?([^<>\]]{1,4000})(?:\]\]>)?</")
_KEYED = re.compile(r"<\w{1,30}[ \t]+(?:key|name)=[\"']([\w.:-]{2,80})[\"'][^<>]{0,100}>([^<>]{1,2000})</")
_VALUED = re.compile(r"<([\w:.-]{2,60})[ \t]+value=[\"']([^\"'<>]{1,2000})[\"']")
_TUPLE = re.compile(
    rf"[{{(\[][ \t]{{0,2}}(?:{_Q})?([\w.-]{{2,60}})(?:{_Q})?[ \t]*,[ \t]*(?:<<)?{_Q}([^\"']{{1,2000}}?){_Q}"
)
_PAIR = re.compile(
    rf"(?:\b[Nn]ame|\b[Kk]ey|\bid|-name|ParameterKey)(?:{_Q})?[ \t]*[:=][ \t]*(?:{_Q})?([\w.:-]{{2,80}})(?:{_Q})?"
    rf"[ \t]*[, ][ \t]*(?:{_Q})?(?:(?:Parameter)?[Vv]alue|secret|content)(?:{_Q})?[ \t]*[:=][ \t]*"
)
#: The same, the value first.
_RIAP = re.compile(
    rf"\b[Vv]alue{_Q}[ \t]*:[ \t]*{_Q}([^\"'\\]{{3,2000}}){_Q}[ \t]*,[ \t]*{_Q}(?:[Nn]ame|[Kk]ey){_Q}[ \t]*:[ \t]*{_Q}([\w.:-]{{2,80}}){_Q}"
)
#: The private numbers of .NET's RSA keys.
_RSA = re.compile(r"<(?:D|P|Q|DP|DQ|InverseQ)>([A-Za-z0-9+/=\s]{16,2000})</")
_BREAK = r"(?:[ \t]{2,80}|\.{3,80}|[ \t]{0,80}\|[ \t]{0,80}|\t)"
_COLUMNS = re.compile(
    rf"(?<![\w./:=-])[`\"']?([\w.-]{{2,80}})[`\"']?{_BREAK}[`\"']?([^\s`\"'|]{{4,2000}})[`\"']?[ \t|\r`\"')\].;]{{0,80}}$"
)
_JWK = re.compile(rf"{_Q}(?:d|p|q|dp|dq|qi|k){_Q}[ \t]*:[ \t]*{_Q}([A-Za-z0-9_-]{{16,}}){_Q}")


def markup_secrets(text: str) -> Iterator[Span]:
    """``<password>…</password>``, ``name="…" value="…"``, ``{password, "…"}``, a column beside
    its name, parts of a JSON web key.
    """
    for form in (_ELEMENT, _KEYED, _VALUED, _TUPLE):
        for found in form.finditer(text):
            if is_secret(found.group(2).strip(), name_kind(found.group(1))):
                yield found.span(2)
    for found in _PAIR.finditer(text):
        span, _ = value_at(text, found.end())
        if is_secret(text[slice(*span)], name_kind(found.group(1))):
            yield span
    for found in _RIAP.finditer(text):
        if is_secret(found.group(1), name_kind(found.group(2))):
            yield found.span(1)
    if "<RSAKeyValue>" in text:
        yield from (found.span(1) for found in _RSA.finditer(text))
    for found in _COLUMNS.finditer(text, max(0, len(text) - 2_400)):
        if is_secret(found.group(2), name_kind(found.group(1))) and looks_chosen(found.group(2)):
            yield found.span(2)
    if '"kty' in text.replace("\\", ""):
        yield from (found.span(1) for found in _JWK.finditer(text))


_NOUN = "password|passwd|passphrase|passcode|pwd|secret|token|api[ _-]?key"
_SAYS = "is|was|now|set|to|of|be|generated|reads"
_SAID = re.compile(
    rf"(?i:\b({_NOUN}))(?:[ \t]+(?:{_SAYS})){{0,3}}[ \t]*[:=]?[ \t]+"
    r"(?:([\"'`])([^\"'`\n]{3,200})\2|(?:(?<=is |to )|(?<=is: |as: |to: |ow: ))([^\s\"'`]{6,200}))"
)
#: What a service says of a key that it refuses: ``Incorrect API key provided: x``, ``password for
#: user admin is x``; and a key right behind its noun.
_WHOSE = r"provided|supplied|given|received|used|(?:for|of)(?:[ \t]+(?:user|account|the))?[ \t]+[\w.@-]{1,60}"
_REFUSED = re.compile(
    rf"(?i:\b({_NOUN}))(?:[ \t]+(?:{_WHOSE}))?(?:[ \t]{{0,2}}:|[ \t]+(?:is|was))[ \t]+([^\s\"'`]{{8,400}})"
)
_BEHIND = re.compile(rf"(?i:\b(?:{_NOUN}))[ \t]+([A-Za-z0-9_-]{{16,400}})(?=[\s.,;)]|$)")
_HEX = re.compile("[0-9a-fA-F]+")
_QUOTED = re.compile(rf"(?<![\w.-])([\w.-]{{0,60}}(?i:{_NOUN}))[ \t]{{1,4}}([\"'`])([^\"'`\s]{{3,200}})\2")
_PROMPT = re.compile(r"(?:[Pp]assword|[Pp]assphrase) for \S{1,200}:[ \t]+([^\s:]{4,200})[ \t\r]*$")
_PASSWORD_OF = re.compile(r"(?i:\bpassword)[ \t]+[\w.-]{1,60}[ \t]+=[ \t]+(\S{4,200})")
#: The other half of a pair of keys, as long as clouds make it.
_HALF = re.compile(r"(?i:\bsecret)[ \t]+([A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=])")
_VERSION = re.compile(r"v?\d+\.\d")
#: A user and a password as people write pairs: ``credentials: ci / x``, ``with credentials ci:x``.
_PAIR_OF = re.compile(
    r"(?i:\bcredentials?)(?:[ \t]*[:=]|[ \t]+(?:for|of|are|is)(?![\w:/]))?[ \t]+[\w.@+-]{1,60}([ ]?[:/][ ]?)([^\s\"'`,;]{6,200})"
)
_BESIDE = re.compile(r"(?<![\w.-])([\w.-]*[/_][\w./-]{1,80})[ \t]+([\w/+$!#][^\s\"'`]{5,400})(?=[ \t\r]*$|[ \t]+-)")
#: GitHub's commands in a log: what is to be masked, and values set for later steps.
_ADD_MASK = re.compile(r"(?:::add-mask::|##\[add-mask\])[ \t]*(\S.{0,4000}?)[ \t\r]*$")
_SET = re.compile(r"(?:::|##\[)(?:set-output|set-env|save-state) name=([\w.-]{1,100})(?:::|\])(\S{1,4000})")


def sentences(text: str) -> Iterator[Span]:
    """``login with password 'x' failed``, ``generated password is x``, ``storePassword
    'x'``, ``::add-mask::x``.
    """
    for found in _SAID.finditer(text):
        number = 3 if found.group(3) else 4
        value = found.group(number).rstrip(".,;:!")
        password = found.group(1).lower().startswith(("pass", "pwd"))
        if is_reference(value) or " " in value:
            continue
        if (password and looks_chosen(value)) or (not is_readable(value) and looks_made(value)):
            yield found.start(number), found.start(number) + len(value)
    for found in _REFUSED.finditer(text):
        value = found.group(2).rstrip(".,;:!)")
        if not is_reference(value) and not is_readable(value) and looks_made(value):
            yield found.start(2), found.start(2) + len(value)
    for found in _BEHIND.finditer(text):
        value = found.group(1)
        if not _HEX.fullmatch(value) and not is_reference(value) and looks_random(value):
            yield found.span(1)
    for found in _QUOTED.finditer(text):
        if is_secret(found.group(3), kind := name_kind(found.group(1))) and (
            looks_chosen(found.group(3)) if kind is NameKind.PASSWORD else not is_readable(found.group(3))
        ):
            yield found.span(3)
    for found in _PROMPT.finditer(text):
        if not is_reference(found.group(1)) and not found.group(1).isalpha():
            yield found.span(1)
    for found in _PASSWORD_OF.finditer(text):
        if not is_reference(found.group(1)) and looks_chosen(found.group(1)):
            yield found.span(1)
    for found in _BESIDE.finditer(text):
        name, value = found.groups()
        if (
            name_kind(name) >= NameKind.SECRET
            and is_secret(value, NameKind.PASSWORD)
            and looks_chosen(value)
            and not _VERSION.match(value)
        ):
            yield found.span(2)
    for found in _PAIR_OF.finditer(text):
        between, value = found.group(1), found.group(2).rstrip(".)")
        if is_reference(value) or is_readable(value) or ":" in value or value[0] in "/\\":
            continue
        if looks_random(value) or (between != "/" and looks_chosen(value)):
            yield found.start(2), found.start(2) + len(value)
    yield from (found.span(1) for found in _HALF.finditer(text) if looks_random(found.group(1)))
    for found in _ADD_MASK.finditer(text):
        if is_secret(found.group(1), NameKind.PASSWORD):
            yield found.span(1)
    for found in _SET.finditer(text):
        if is_secret(found.group(2), name_kind(found.group(1))):
            yield found.span(2)


WRITINGS: tuple[SecretPlace, ...] = (
    SecretPlace(
        "documents",
        (
            rf"<[\w:.-]*{STEM}[^<>\n]*>[^<>\n]+<",
            rf"<[a-z]+[ \t]+(?:key|name)=[\"'][\w.:-]*{STEM}",
            rf"<[\w:.-]*{STEM}[\w:.-]*[ \t]+value=",
            r"(?:passw(?:or)?d|passphrase|secret|token|api_?key|pwd)[\"'\\]{0,4},[ ]?(?:<<)?[\"'\\][^\n\"']{4}[^\n\"']*[\"']",
            rf"(?:{STEM}|secret_id)[\w.-]*[`\"']?(?:[ \t]{{2}}|\.\.\.|[ \t]?\||\t)[ \t|.`\"']*[^ \t\n|`\"']{{4}}",
            r"(?:name|key|id)[\\\"']{0,4}[ \t]*[:=].{0,90}(?:value|secret|content)[\\\"']{0,4}[ \t]*[:=]",
            rf"value[\\\"']{{1,4}}[ \t]*:.{{3,}}[\"'](?:name|key)[\\\"']{{1,4}}[ \t]*:[ \t\\\"']*[\w.:-]*{STEM}",
            "<RSAKeyValue>",
            r"\"kty",
        ),
        markup_secrets,
    ),
    SecretPlace(
        "sentences",
        (
            rf"(?:{_NOUN})(?:[ \t]+(?:{_SAYS})){{0,3}}[ \t]*[:=]?[ \t]+[\"'`][^\"'`\n]{{3}}",
            rf"(?:{_NOUN})[ \t]+(?:{_SAYS}):?[ \t]",
            rf"(?:{_NOUN})(?:[ \t]+(?:{_WHOSE}))?(?:[ \t]{{0,2}}:|[ \t]+(?:is|was))[ \t]+[^ \t\n\"'`]{{8}}",
            rf"(?:{_NOUN})[ \t]+[A-Za-z0-9_-]{{16}}",
            r"pass(?:word|phrase) for [^ \t\n]{1,200}:[ \t]",
            r"password[ \t]+[\w.-]{1,60}[ \t]+=[ \t]",
            rf"[/_]{STEM}[\w.-]*[ \t]+[^ \t\n]{{6}}",
            r"[_-]key[ \t]+[\w/+=-]{16}",
            r"secret[ \t]+[A-Za-z0-9+/]{40}",
            r"credentials?[ \t]{0,4}[:=]?[ \t]+(?:(?:for|of|are|is)[ \t]+)?[\w.@+-]{1,60}[ ]?[:/][ ]?[^ \t\n]{6}",
            "add-mask",
            "(?:set-output|set-env|save-state) name=",
        ),
        sentences,
    ),
)
