"""Arguments of commands that are secrets: ``curl -u user:…``, ``mysql -p…``, ``docker login -p
…``, ``echo … | sudo -S``.

Belongs here: one line a command. Does not: options whose own name says it (`places.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.encoded import is_login
from ci_metrics.redaction.places import WORD
from ci_metrics.redaction.secret_values import is_reference, looks_chosen, looks_made

_PIPED = r"\b(?:echo|printf|Write-Output)[ \t]+(?:-\w+[ \t]+){0,2}(?:['\"]%s(?:\\n)?['\"][ \t]+)?⟪WORD⟫[ \t]*\|[ \t]*"
#: (mark in hyperscan's dialect and any case, form with one word of a command line). ``⟪WORD⟫`` is
#: any, ``⟪TOKEN⟫`` one that looks made, ``⟪SECRET⟫`` one that is no word, ``⟪LOGIN⟫`` one of user
#: and password, ``⟪LOGIN64⟫`` the same in base64.
SECRET_ARGUMENTS: tuple[tuple[str, str], ...] = (
    (r"\b(?:curl|https?|xh|wget|ab|aria2c)\b[^\n]*[ \t](?:-[uaU]|--auth)[ =]?[^ \t\n]+:", r"\b(?:curl|https?|xh|wget|ab|aria2c)\b.{0,2000}?[ \t](?:-u|-a|-U|--user|--auth|--proxy-user)[ =]?⟪LOGIN⟫"),
    (r"--(?:proxy-)?user[ =][^ \t\n]+:", r"--(?:proxy-)?user[ =]⟪LOGIN⟫"),
    (r"[ \t]-u[ ][^ \t\n]+:[^\n]*\\[ \t\r]{0,4}\n", r"^[^A-Za-z]{0,60}(?:\d{4}-\d\d-\d\dT\S+[ ])?[ \t]*-u[ ]⟪LOGIN⟫"),
    (r"\b(?:mysql|mariadb)[^\n]*[ \t]-p[^ \t\n]", r"\b(?:mysql|mariadb)[\w-]*(?:\.exe)?\b.{0,600}?[ \t]-p(?=[^\s])⟪WORD⟫"),
    (r"\bsshpass\b", r"\bsshpass[ \t]+-p[ \t]*⟪WORD⟫"),
    (r"\blogin\b.* -p", r"\b(?:docker|podman|buildah|skopeo|crane|nerdctl|helm|oras|az|oc|cf|argocd|regctl|registry|acr|ibmcloud|heroku|jf|jfrog|tkn|rancher)\b.{0,200}?\blogin\b.{0,400}?[ \t]-p[ \t=]*⟪WORD⟫"),
    (r"\b(?:twine|security|plink|pscp|mongo(?:sh|dump|restore|import|export)?|ncftpput|ansible|xfreerdp|cqlsh|clickhouse-client|rabbitmqadmin|influx|nuget|kinit|pg_\w+)\b.* -p", r"\b(?:twine|security|plink|pscp|mongo\w*|ncftpput|cqlsh|rabbitmqadmin|influx)\b.{0,400}?[ \t]-(?:p|pw|P)[ \t]+⟪WORD⟫"),
    (r"\b7z", r"\b7z\w*\b.{0,300}?[ \t]-p⟪WORD⟫"),
    (r"\b(?:un)?zip\b.*-P", r"\b(?:un)?zip\b.{0,300}?[ \t]-P[ \t]*⟪WORD⟫"),
    (r"\bredis-cli\b.*-a", r"\bredis-cli\b.{0,300}?[ \t](?:-a|--pass)[ \t]+⟪WORD⟫"),
    (r"\b(?:sqlcmd|bcp|isql|osql)\b.*-P", r"\b(?:sqlcmd|bcp|isql|osql)\b.{0,400}?[ \t]-P[ \t]*⟪WORD⟫"),
    (r"\bldap\w+\b.*-w", r"\bldap\w+\b.{0,400}?[ \t]-w[ \t]*⟪WORD⟫"),
    (r"\b(?:smbclient|rpcclient|winexe|net)\b.*%", r"\b(?:smbclient|rpcclient|winexe|net)\b.{0,300}?-U[ \t]*['\"]?[\w.\\/-]{1,60}%()()([^\s'\"]+)"),
    (r"\blftp\b", r"\blftp\b.{0,300}?-u[ \t]*['\"]?[\w.@-]{1,60},()()([^\s'\"]+)"),
    (r"pass:", r"(?:-pass(?:in|out)?|-k|/pass|--?pass\w{0,10})[ \t:=]*(?:pass)?:⟪WORD⟫"),
    (r"-(?:store|key|srcstore|deststore|srckey|destkey)pass\b", r"-(?:store|key|srcstore|deststore|srckey|destkey)pass[ \t]+⟪WORD⟫"),
    (r"\bhtpasswd\b", r"\bhtpasswd[ \t]+-\w*b\w*[ \t]+(?:-\S+[ \t]+){0,3}(?:[./]\S+[ \t]+)?[\w.@-]+[ \t]+⟪WORD⟫"),
    (r"\bsigntool\b", r"\bsigntool\w*\b.{0,400}?[ \t]/p[ \t]+⟪WORD⟫"),
    (r"\bnet user\b", r"\bnet user[ \t]+[\w.-]+[ \t]+(?!/)⟪WORD⟫"),
    (r"\b(?:vault login|snyk auth|cargo login|npm login|add-authtoken|sentry-cli login|wandb login|huggingface-cli login|op signin|ngrok authtoken|railway login|dvc login)\b", r"\b(?:vault login|snyk auth|cargo login|add-authtoken|ngrok authtoken|wandb login|login --token|login --with-token)[ \t]+(?:--?\S+[ \t]+){0,2}(?:--token[ =])?⟪TOKEN⟫"),
    (r"\b(?:codecov|codecovcli|doctl|nuget|choco|gem|ngrok|coveralls|sentry-cli|fly|flyctl|buildkite-agent)\b.* -", r"\b(?:codecov\w*|doctl|nuget|choco|gem|fly(?:ctl)?)\b.{0,400}?[ \t](?:-t|-k|-ApiKey|--key)[ \t=]+⟪TOKEN⟫"),
    (r"\bsudo[ \t]+-", _PIPED + r"sudo[ \t]+-[A-Za-z]*S"),
    (r"\b(?:chpasswd|passwd[ \t]+--stdin|kinit)\b", _PIPED + r"(?:sudo[ \t]+)?(?:chpasswd|passwd|kinit)"),
    (r"-stdin\b", _PIPED),
    (r"--with-token\b", _PIPED),
    (r"<<<", r"(?:pass|stdin|login|sudo|-S\b|secret|token).{0,300}?<<<[ \t]*⟪WORD⟫"),
    (r"\bssh-keygen\b[^\n]*-[NP]", r"\bssh-keygen\b.{0,300}?[ \t]-[NP][ \t]*⟪WORD⟫"),
    (r"\bopenssl\b[^\n]*[ \t]-k[ \t]", r"\bopenssl[ \t]+(?:enc|aes\S*|des\S*)\b.{0,300}?[ \t]-[kK][ \t]+⟪WORD⟫"),
    (r"\brabbitmqctl\b", r"\brabbitmqctl\b.{0,100}?[ \t](?:add_user|change_password)[ \t]+\S+[ \t]+⟪WORD⟫"),
    (r"\bbw[ \t]+unlock\b", r"\bbw[ \t]+unlock[ \t]+(?!-)⟪WORD⟫"),
    (r"\bconan\b[^\n]*[ \t]-p", r"\bconan\b.{0,200}?[ \t]-p[ \t]+⟪WORD⟫"),
    (r"(?:assword|assphrase)[^\n]*\bsend[ \t]+", r"(?:assword|assphrase).{0,60}?\bsend[ \t]+(?:--[ \t]+)?⟪SECRET⟫"),
    (r"=[ ]?password\('", r"(?i:=[ ]?PASSWORD\()()'([^']{3,})'()\)"),
    (r"\b(?:psexec|ipmitool|mosquitto_|smbmap|crackmapexec|evil-winrm)[^\n]*[ \t]-p", r"\b(?:psexec\w*|ipmitool|mosquitto_\w+|smbmap|crackmapexec|evil-winrm)\b.{0,300}?[ \t]-[pP][ \t]+⟪WORD⟫"),
    (r"\bsnmp[a-z]+\b[^\n]*-[AX]", r"\bsnmp\w+\b.{0,300}?[ \t]-[AX][ \t]+⟪WORD⟫"),
    (r"[ \t][/-]p(?:ass|assword)?:", r"(?i:[ \t](?:/|-)p(?:ass|assword)?:)⟪SECRET⟫"),
    (r"\b(?:auth|requirepass|masterauth|bindpw|rootpw)[ \t]+[^ \t\n]{6}", r"(?:\b(?:requirepass|masterauth|bindpw|rootpw)|(?:^|[\s\"'`>])AUTH)[ \t]+⟪SECRET⟫"),
    (r"\bnet use\b", r"\bnet use[ \t]+\S+(?:[ \t]+\\\\\S+)?(?:[ \t]+/\S+)*[ \t]+(?!/)⟪WORD⟫"),
    (r"[ \t]-(?:-cookie|b)[ =]", r"[ \t](?:--cookie|-b)[ =]['\"]?[\w.-]{1,60}=()()([^\s;'\"]{12,})"),
    (r"-(?:dest-|src-)?creds[ =]", r"--(?:dest-|src-)?creds[ =]⟪LOGIN⟫"),
    (r"[ \t]-auth[ =][\w.@-]+:", r"[ \t]-auth[ =]⟪LOGIN⟫"),
    (r"\b(?:knife|altool|notarytool|vsce|ovsx)\b[^\n]*[ \t]-p", r"\b(?:knife|altool|vsce|ovsx)\b.{0,300}?[ \t]-[pP][ \t]+⟪WORD⟫"),
    (r"\bsecurity[ \t]+(?:add-|set-key)", r"\bsecurity[ \t]+(?:add-\w+-password|set-key-partition-list)\b.{0,300}?[ \t]-[wk][ \t]+⟪WORD⟫"),
    (r"\bunrar\b|\brar\b", r"\b(?:un)?rar\b.{0,200}?[ \t]-(?:hp|p)⟪SECRET⟫"),
    (r"\bsc -u\b", r"\bsc[ \t]+-u[ \t]+\S+[ \t]+-k[ \t]+⟪TOKEN⟫"),
    (r"\+login\b", r"\+login[ \t]+\S+[ \t]+⟪WORD⟫"),
    (r"\bmc (?:alias set|config host add)\b", r"\bmc (?:alias set|config host add)[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+⟪WORD⟫"),
    (r"\|[ ]?(?:docker secret|ssh-add|gpg )", _PIPED + r"(?:docker secret|ssh-add|gpg)\b"),
    (r"\bbundle config\b", r"\bbundle config\b.{0,120}?[ \t][\w.@-]{1,60}:()()([^\s:/'\"]{12,})"),
    (r"http-basic\.", r"http-basic\.\S+[ \t]+\S+[ \t]+⟪WORD⟫"),
    (r"\bsetapikey\b", r"(?i:\bsetapikey)[ \t]+⟪WORD⟫"),
    (r"put-parameter\b[^\n]*SecureString", r"put-parameter\b.{0,300}?--value[ =]⟪WORD⟫"),
    (r"--secret-string\b", r"--secret-string[ =]⟪WORD⟫"),
    (r"(?:github|gitlab|bitbucket)-(?:oauth|token)[\\\"]{1,4}[ ]*:", r"\\*\"(?:github|gitlab|bitbucket)-(?:oauth|token)\\*\"[ ]*:[ ]*\{[ ]*\\*\"[\w.-]+\\*\"[ ]*:[ ]*\\*\"()()([\w-]{20,})"),
    (r"\b(?:PDO(?:->|::)__construct|mysqli|new Sequelize\()", r"(?:PDO(?:->|::)__construct|mysqli(?:_connect|(?:->|::)__construct|_real_connect)|new Sequelize)\(['\"][^'\"]*['\"], ?['\"][^'\"]*['\"], ?()()['\"]([^'\"]+)['\"]"),
    (r"\b(?:ldap_bind|ftp_login|HTTPBasicAuth|Credentials)\(", r"\b(?:ldap_bind|ftp_login|HTTPBasicAuth|Credentials)\((?:[^()]{0,200}, ?)?()()['\"]([^'\"]{3,})['\"]\)"),
    (r"\bauth=\(", r"\bauth=\(['\"][^'\"]*['\"], ?()()['\"]([^'\"]+)['\"]\)"),
    (r"(?:gcloud secrets|kubectl create secret|gh secret set|vault |aws secretsmanager|pass insert|doppler )", r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+){0,2}⟪WORD⟫[ \t]*\|[ \t]*(?:gcloud|kubectl|gh|vault|aws|op|pass|doppler)\b"),
    (r"base64 -", r"\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+){0,2}⟪LOGIN64⟫[ \t]*\|[ \t]*base64"),
    (r"\b(?:tailscale|netlify|vercel|firebase)[ \t][^\n]*[ \t]-(?:-?auth|-?token|t)", r"\b(?:tailscale|netlify|vercel|firebase)\b.{0,300}?[ \t]--?(?:auth|authkey|auth-key|token|t)[ \t=]+⟪TOKEN⟫"),
    (r"secure-?string", r"ConvertTo-SecureString[ \t]+(?:-String[ \t]+)?⟪WORD⟫"),
    (r"\bidentified (?:with|by)\b", r"(?:(?i:(?:\b(?:USER|ROLE|EXISTS)[ \t]+\S+|[@'\"`]\S*)[ \t]+identified)|\bIDENTIFIED)(?i:[ \t]+(?:WITH[ \t]+\S+[ \t]+)?(?:BY|AS)[ \t]+(?:PASSWORD[ \t]+)?)⟪WORD⟫"),
    (r"\b(?:create|alter|role|user|login|encrypted|with)[ \t][^\n]*password '", r"(?i:\bPASSWORD[ \t]+)()'([^']+)'()"),
    (r"\b(?:sqlplus|sqlldr|expdp|impdp|rman|thin|exp|imp)\b.*/.*@", r"(?:\b(?:sqlplus|sqlldr|expdp|impdp|rman|exp|imp)\b.{0,100}?[ \t]|thin:)['\"]?[\w$.#]{1,40}/()()([^\s/@'\"][^\s'\"]*)(?=@(?://|[\w.-]+))"),
    (r"pgpass", r"[\w.*-]{1,100}:(?:\d{2,5}|\*):[\w*-]{1,60}:[\w*-]{1,60}:()()([^\s:'\"]+)"),
    (r"\b(?:machine[ \t]|default[ \t]).*\bpassword[ \t]", r"\b(?:machine[ \t]+\S+|default)[ \t]+login[ \t]+\S+[ \t]+(?:account[ \t]+\S+[ \t]+)?password[ \t]+⟪WORD⟫"),
    (r"(?:unseal|recovery) key", r"(?i:(?:unseal|recovery) key \d+)[^:\n]{0,40}:[ \t]*⟪WORD⟫"),
    (r'"username".*"key"', r'"username"[ ]*:[ ]*"[^"]{1,80}"[ ]*,[ ]*"key"[ ]*:[ ]*()()([0-9a-f"]{32,40})'),
    (r"contribsys", r"(?i:contribsys\S{0,20}[ \t=]+)()()([0-9a-f]{8}:[0-9a-f]{8})"),
    (r"sonar\.login[ =]", r"sonar\.login[ =]()()([\w-]{20,})"),
    (r"privatekey[ \t]*=", r"\bPrivateKey[ \t]*=[ \t]*()()([A-Za-z0-9+/]{43}=)"),
    (r"github-token", r"--github-token[ =]⟪TOKEN⟫"),
    (r"pass(?:word|phrase|wd)[^\n]{0,120}\.(?:type|fill|send_?keys|set_?value|type_?text|input)\(", r"(?i:pass(?:word|phrase|wd)[^\n]{0,120}?\.(?:type|fill|send_?keys|set_?value|type_?text|input)\([ ]?)(?=[\"'])⟪SECRET⟫"),
    (r"\b(?:type|fill|send_?keys|set_?value|type_?text)\([\"'][^\n]{4,300}pass(?:word|phrase|wd)", r"(?i:\b(?:type|fill|send_?keys|set_?value|type_?text)\([ ]?)(?=[\"'])⟪SECRET⟫(?=.{0,300}(?i:pass(?:word|phrase|wd)))"),
    (r"pass(?:word|phrase|wd)['\"]?[ ]\|[ ]['\"]", r"(?i:[=:#]\w{0,30}pass(?:word|phrase|wd)['\"]?[ ]\|[ ])(?=['\"])⟪SECRET⟫"),
)  # fmt: skip


def argument_finder(form: str) -> Callable[[str], Iterator[Span]]:
    """What finds the secret argument of the command that `form` describes."""
    strict, login, encoded, wordless = (f"⟪{what}⟫" in form for what in ("TOKEN", "LOGIN", "LOGIN64", "SECRET"))

    @cache
    def compiled() -> re.Pattern[str]:  # a log has few of these commands, if any
        return re.compile(re.sub("⟪[A-Z0-9]+⟫", lambda _found: WORD, form))

    def spans(text: str) -> Iterator[Span]:
        for found in compiled().finditer(text):
            number = next((n for n in range(1, found.re.groups + 1) if found.group(n)), 0)
            if not number:
                continue
            start, end = found.span(number)
            value = text[start:end]
            if (encoded and not is_login(value)) or (wordless and not looks_chosen(value)):
                continue
            if login:
                user, colon, value = value.partition(":")
                start += len(user) + 1
                if not colon or "//" in value[:2] or (user.isdigit() and value.isdigit()):
                    continue
            while len(value) > 3 and value[-1] in "\"'`;,)":
                value = value[:-1]
            if is_reference(value) or len(value) < 3 or (strict and not looks_made(value)):
                continue
            yield start, start + len(value)

    return spans
