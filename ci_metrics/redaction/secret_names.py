"""What the name in front of a value says of it: that it is a password, a secret,
perhaps a key, or nothing.

Belongs here: names, taken apart into words. Does not: values (`secret_values.py`), where name and
value stand (`places.py`).

The last word decides, as people name things: `DB_PASSWORD` is a password,
`PASSWORD_FILE` is a path.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


class NameKind(IntEnum):
    """How much a name says."""

    NOTHING = 0
    MAYBE = 1  # only a value that looks random is taken for a secret: `STORAGE_KEY`, `token_main`
    SECRET = 2  # a token or key: words and numbers behind it are none
    PASSWORD = 3  # whatever stands behind it is one, also a word


#: What every name that counts holds, in hyperscan's dialect and any case; `kind_of` says
#: which of them do count.
STEM = (
    "(?:passw|passphrase|passcode|kennwort|contrase|senha|motdepasse|passe|pwd|secret|token|credential|api[_-]?key|[_-]key"
    "|[a-z]key|mnemonic|seed|jwt|cookie|signature|licen[sc]e|connection_string|[_-]pass|[a-z]pass|[_-]pw|[a-z]pw|[_-]pat|_sig|sid|psk"
    "|p12|pfx|keystore|kube_?config|crumb|samlresponse|authident|_session|reporter_id|honeycomb-team)"
)
_PASSWORD_WORDS_TEXT = """
password passwords passwd passwort passphrase passcode kennwort contrasena senha motdepasse pwd pass pw
"""
_PASSWORD_WORDS = frozenset(_PASSWORD_WORDS_TEXT.split())
_SECRET_WORDS = frozenset(
    {"secret", "secrets", "token", "credential", "credentials", "apikey", "sig", "jwt", "pat", "bearer"}
)
_WHOSE_PASS = (
    "ssh|smtp|db|sql|pg|ftp|ldap|admin|root|user|mail|key|store|become|sudo|rpc|redis|mongo|nexus|proxy|require"
)
#: Words behind a secret's that change nothing: where, when, for whom, how it is written.
_SHADES_TEXT = """
value val raw plain plaintext text string str b64 base base64 enc encoded encrypted new old current previous prev confirm confirmation
again repeat prod production dev develop development stage staging test testing ci qa uat live sandbox main default local global rw
ro readonly write read override env var data npm github gitlab docker aws prd stg int input primary secondary legacy admin root
"""
_SHADES = frozenset(_SHADES_TEXT.split())
#: Words after which it is something about the secret, not the secret.
_ABOUT_TEXT = """
path paths file files filename dir directory folder count counts counter length len size sizes id ids url urls uri endpoint host
hostname name names type types kind expiry expires expiration expire expired exp ttl age lifetime timeout duration version versions
arn ref refs reference policy policies rule rules hash hashes hashers digest fingerprint checksum algorithm alg algo format field
fields column columns label labels hint prompt placeholder min max limit limits required require enabled enable disabled disable
rotation store stores provider providers manager engine backend method methods mode scope scopes audience issuer usage budget bucket
status state error errors source location prefix suffix regex pattern class index number num bits alias owner user username email
date time at permissions permission template selector title desc description message encoder validators validator ring reset flow
strength score generator helper service services handler parser test tests spec module package import exists changed valid is set
mask masked position pos line offset ix start end eof literal kinds stream tree list map dict cache per budgeted cost price supply
symbol address contract chain balance decimals standard authenticator authentication authorization agent
"""
_ABOUT = frozenset(_ABOUT_TEXT.split())
#: What stands before `key` in names of keys that open nothing.
_HARMLESS_KEYS_TEXT = """
socket cache primary public pub publishable partition sort foreign object host idempotency dedupe dedup deduplication registry translation
i18n group restore hot lookup index unique map dict json config feature flag s3 hash shard bucket row column issue project
event state symbol locale message context metric tag label query parent child site known pk gpg arrow shortcut accelerator trace
correlation build artifact memo redis etag version entry item sorting compound composite surrogate natural candidate reg
verification verify verifying validator consensus resource tree node path param parameter header field attribute property option
setting env environment variable any each last first next prev old new duplicate missing unknown invalid the a no unexpected extra
dictionary enum sentry yaml toml ini answer question menu return enter escape tab delete dead concurrency lock mutex queue topic
"""
_HARMLESS_KEYS = frozenset(_HARMLESS_KEYS_TEXT.split())
#: What stands before `key` in names of keys that open something.
_SURE_KEYS_TEXT = """
api access secret private priv encryption encrypt decryption decrypt signing sign signature master account auth authorization
authentication deploy deployment shared subscription consumer webhook session functions hmac jwt cookie unseal recovery ingest
ingestion insert sdk personal license licence application app admin client server service psk preshared wallet seed fastly
instrumentation algolia stripe sendgrid openai anthropic rails symmetric aes des rsa integration write hex
"""
_SURE_KEYS = frozenset(_SURE_KEYS_TEXT.split())
#: Endings of words that are written as one: `accesstoken`, `dbpassword`, `clientsecret`,
#: `instrumentationkey`.
_ENDINGS = re.compile(
    rf"(?:(password|passwd|passphrase|passwort|kennwort|(?:{_WHOSE_PASS})pass|(?:bind|root|user|admin)pw|psk)"
    rf"|(secret|token|(?:{'|'.join(sorted(_SURE_KEYS))})key|auth|authz))$"
)
#: What stands before `pass` where something is handed on, done once more, or went well.
_OTHER_PASSES_TEXT = """
fastcgi proxy uwsgi scgi grpc memcached first second third last next one two single multi all tests must will should did can to compiler
optimization render shadow forward backward low high band by dev erl boarding season
"""
_OTHER_PASSES = frozenset(_OTHER_PASSES_TEXT.split())
_PIECES = re.compile(
    r"[Pp]12(?![0-9])|[Bb]64(?![0-9])|P12|SAML(?=R)|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z\udc80-\udcff]+|[A-Z]+|\d+"
)


@lru_cache(maxsize=1 << 14)
def name_kind(name: str) -> NameKind:
    """What `name` (as it is written, with whatever dots, dashes and capitals)
    says of a value behind it.
    """
    words = [word.lower() for word in _PIECES.findall(name[-80:])]
    while words and (words[-1].isdigit() or (words[-1] in _SHADES and len(words) > 1)):
        words.pop()
    if not words:
        return NameKind.NOTHING
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if last in ("pass", "pw") and len(words) == 1 and not name.startswith("-"):
        return NameKind.SECRET if name.islower() else NameKind.NOTHING  # `PASS: test_name` is a test's
    if last == "ident" and before == "auth":
        return NameKind.PASSWORD
    if last == "pass" and before in _OTHER_PASSES:
        return NameKind.NOTHING
    if last in _PASSWORD_WORDS or last.startswith("contrase") or (last == "passe" and "mot" in words):
        return NameKind.PASSWORD
    if ending := _ENDINGS.search(last):
        if ending.group(1):
            return NameKind.PASSWORD
        if last != "auth":
            return NameKind.SECRET
    if last == "mnemonic" or (last == "phrase" and before in ("pass", "seed", "recovery", "mnemonic")):
        return NameKind.PASSWORD
    if last == "word" and before == "pass":
        return NameKind.PASSWORD
    if last == "credential" and before in ("amz", "goog"):
        return NameKind.NOTHING  # who signed a request, not with what
    if last in _SECRET_WORDS:
        return (
            NameKind.MAYBE
            if last in ("pat", "sig", "credential", "credentials", "secrets") and len(words) == 1
            else NameKind.SECRET
        )
    if last in ("key", "keys", "license", "licence"):
        if before in _SURE_KEYS or (last != "key" and last != "keys"):
            return NameKind.SECRET
        if before in _HARMLESS_KEYS or not before:
            return NameKind.MAYBE if name.startswith("--") else NameKind.NOTHING
        return NameKind.MAYBE
    if last == "auth":
        return NameKind.SECRET if name.lstrip("-").startswith("_") else NameKind.MAYBE
    if last in ("seed", "salt", "signature", "otp") and before in (
        "mfa",
        "totp",
        "otp",
        "fa",
        "wallet",
        "hd",
        "auth",
        "jwt",
        "session",
        "cookie",
        "hash",
        "webhook",
    ):
        return NameKind.SECRET
    if (
        last in ("p12", "pfx", "keystore", "jks", "kubeconfig", "crumb", "samlresponse")
        or (last == "config" and before == "kube")
        or (last == "response" and before == "saml")
    ):
        return NameKind.MAYBE
    if last in ("signature", "cookie", "seed", "otp", "totp", "salt", "session", "sessionid", "sid"):
        return NameKind.MAYBE
    if (before, last) in (("honeycomb", "team"), ("reporter", "id")):
        return NameKind.SECRET
    if last in ("string", "uri", "url") and before == "connection":
        return NameKind.MAYBE
    if last in ("data",) and before == "key":
        return NameKind.SECRET
    if last in ("id",) and before in ("secret", "session") and words[:1] != ["kms"]:
        return NameKind.MAYBE  # AppRole's secret_id opens, a secret's id does not: the value says which
    if last in _ABOUT:
        return NameKind.NOTHING
    return (
        NameKind.MAYBE
        if any(word in _PASSWORD_WORDS or word in _SECRET_WORDS for word in words) and not _ABOUT.intersection(words)
        else NameKind.NOTHING
    )
