"""Credentials that their issuers made recognisable.

Belongs here: one line an issuer, from its own documentation: what its credentials begin with, of
which characters, how long. Does not: values that are secret only because of the name in front of
them (`secret_names.py`), where values stand (`places.py`).

One text serves twice: hyperscan finds the lines by it, `re` finds where in the line. So it is
written in what both know: no look-around, no back references, and a literal of three characters or
more wherever the form has one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.secret_values import is_readable

#: (whose, form). A form that also matches names that people make up is marked by ``~``: what it
#: finds must not read like words.
TOKENS: tuple[tuple[str, str], ...] = (
    # code hosts
    ("GitHub", r"gh[pousr]_[A-Za-z0-9_-]{30,}"),
    ("GitHub fine-grained", r"github_pat_[A-Za-z0-9_]{30,}"),
    ("GitLab", r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct|wt)-[A-Za-z0-9_.=-]{18,}"),
    ("GitLab OAuth", r"gloas-[A-Za-z0-9_-]{40,}|_gitlab_session=[0-9a-z]{32}"),
    ("GitLab runner", r"GR1348941[A-Za-z0-9_-]{20,}"),
    ("Bitbucket app password", r"ATBB[A-Za-z0-9]{24,}"),
    ("Bitbucket data centre", r"BBDC-[A-Za-z0-9+/@_-]{40,}"),
    ("Atlassian", r"(?:ATATT|ATCTT|ATAT)[A-Za-z0-9_=-]{60,}"),
    # clouds
    ("AWS key id", r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[0-9A-Z]{16}"),
    ("AWS Bedrock", r"(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{26,}"),
    ("AWS MWS", r"amzn\.mws\.[0-9a-f]{8}-[0-9a-f-]{27}"),
    ("Google API", r"AIza[0-9A-Za-z_-]{35}"),
    ("Google Gemini", r"AQ\.Ab8RN6[A-Za-z0-9_-]{40,}"),
    ("Google OAuth", r"ya29\.[0-9A-Za-z_.-]{20,}"),
    ("Google OAuth client", r"GOCSPX-[0-9A-Za-z_-]{20,}"),
    ("Google Cloud Storage", r"GOOG[A-Z0-9]{20}"),
    ("Google refresh", r"1//0[0-9A-Za-z_-]{30,}"),
    ("Firebase messaging", r"AAAA[0-9A-Za-z_-]{7}:APA91b[0-9A-Za-z_-]{60,}"),
    ("Azure AD client secret", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    ("Azure DevOps", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"),
    ("Azure container registry", r"[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9]{6}"),
    ("Azure storage or Cosmos DB", r"[A-Za-z0-9+/]{76}(?:\+ASt|ACDb)[A-Za-z0-9+/]{5,6}=="),
    ("DigitalOcean", r"do[opr]_v1_[0-9a-f]{64}"),
    ("Alibaba", r"LTAI[A-Za-z0-9]{12,26}"),
    ("Tencent", r"AKID[A-Za-z0-9]{32}"),
    ("Cloudflare origin CA", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}"),
    ("Heroku", r"HRKU-[A-Za-z0-9_-]{36,}"),
    ("Fly", r"FlyV1 [A-Za-z0-9+/=,_-]{40,}|fm[12][ra]?_[A-Za-z0-9+/=,_-]{40,}|fo1_[A-Za-z0-9_-]{43}"),
    ("Render", r"rnd_[A-Za-z0-9]{24,}"),
    ("Netlify", r"nf[pocub]_[A-Za-z0-9]{36}"),
    ("Vercel", r"vc[pirka]_[A-Za-z0-9_-]{24,}"),
    ("Scaleway", r"SCW[A-Z0-9]{17}"),
    ("Yandex", r"(?:t1\.[A-Z0-9a-z_-]{10,}[=]{0,2}\.[A-Z0-9a-z_-]{80,}|AQVN[A-Za-z0-9_-]{35,38}|YC[a-zA-Z0-9_-]{38})"),
    # chats and hooks
    ("Slack", r"xox[a-eprs](?:\.xox[bp])?-[A-Za-z0-9%+/\\=_-]{8,}"),
    ("Slack, of old", r"~xoxo-[A-Za-z0-9-]{20,}"),
    ("Slack app", r"xapp-\d-[A-Za-z0-9_-]{20,}"),
    ("Slack hook", r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{20,}"),
    ("Discord hook", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{15,}/[A-Za-z0-9_-]{40,}"),
    ("Teams hook", r"\.webhook\.office\.com/webhook[a-z0-9]{0,3}/[A-Za-z0-9@/-]{60,}"),
    ("Google Chat hook", r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{4,}/messages\?[^ \t\n\"'<>]{20,}"),
    ("Zapier or Make hook", r"(?:hooks\.zapier\.com/hooks/catch/[0-9]{4,}|hook\.[a-z0-9.]{2,12}make\.com)/[A-Za-z0-9]{6,}"),
    ("IFTTT hook", r"maker\.ifttt\.com/trigger/[\w-]{1,60}/(?:json/)?with/key/[A-Za-z0-9_-]{20,}"),
    ("other chats' hook", r"(?:/hooks/[a-z0-9]{26}|eo[a-z0-9]{12,18}\.m\.pipedream\.net|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/[0-9a-f-]{36}|qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=[0-9a-f-]{36}|oapi\.dingtalk\.com/robot/send\?access_token=[0-9a-f]{64})"),
    ("hooks that deploy", r"api\.(?:netlify\.com/build_hooks/[0-9a-f]{24}|vercel\.com/v1/integrations/deploy/[A-Za-z0-9_/-]{20,}|render\.com/deploy/srv-[a-z0-9]{16,}\?key=[A-Za-z0-9_-]{8,})"),
    ("Discord bot", r"~[MNO][A-Za-z\d]{23,25}\.[\w-]{6}\.[\w-]{27,}"),
    ("Telegram", r"(?:bot)?\d{8,10}:AA[A-Za-z0-9_-]{32,34}|api\.telegram\.org/bot\d{6,12}:[A-Za-z0-9_-]{30,}"),
    ("Twilio", r"SK[0-9a-f]{32}"),
    ("SendGrid", r"~SG\.[\w=.-]{40,70}"),
    ("Brevo", r"x(?:keysib|smtpsib)-[0-9a-fA-F]{64}-[A-Za-z0-9]{12,}"),
    ("Mailgun", r"key-[0-9a-f]{32}"),
    ("Mailchimp", r"[0-9a-f]{32}-us[0-9]{1,2}"),
    ("Mandrill", r"~md-[A-Za-z0-9_-]{22}"),
    ("Resend", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}"),
    # payments and shops
    ("Stripe", r"[sr]k_(?:live|test|prod)_[0-9A-Za-z]{16,}"),
    ("signing of hooks", r"whsec_[A-Za-z0-9+/=]{24,}"),
    ("Square", r"sq0[a-z]{3}-[\w-]{22,}|EAAA[A-Za-z0-9_-]{56,}"),
    ("Braintree", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    ("Shopify", r"shp(?:at|ca|pa|ss|tka|ua)_[0-9a-fA-F]{32}"),
    ("Flutterwave", r"FLW(?:PUB|SEC)K_?(?:TEST)?-[0-9a-zA-Z]{12,}(?:-X)?"),
    ("Razorpay", r"rzp_(?:live|test)_[A-Za-z0-9]{14,}"),
    ("Adyen", r"AQE[a-z0-9A-Z]{4}[A-Za-z0-9+/=-]{80,}"),
    ("Duffel or EasyPost", r"duffel_(?:test|live)_[A-Za-z0-9_=-]{40,}|EZ[AT]K[A-Za-z0-9]{50,}"),
    # social and files
    ("Facebook", r"EAA(?:CEdEose0cBA|[A-Z])[0-9A-Za-z]{60,}|EAA[0-9A-Za-z]{90,}"),
    ("Twitter", r"A{20,22}[A-Za-z0-9%_-]{40,}"),
    ("Dropbox", r"sl\.(?:u\.)?[A-Za-z0-9_-]{100,}"),
    ("Figma", r"fig[dour]_[A-Za-z0-9_-]{30,}"),
    ("Notion", r"ntn_[0-9]{11}[A-Za-z0-9]{30,}|secret_[A-Za-z0-9]{43}"),
    ("Linear", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    ("Airtable", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("Asana", r"[0-2]/\d{14,16}(?:/\d{14,16})?:[0-9a-f]{32}"),
    ("Typeform", r"tfp_[A-Za-z0-9_.=-]{40,}"),
    ("Contentful", r"CFPAT-[A-Za-z0-9_-]{40,}"),
    ("HubSpot", r"pat-(?:na|eu|ap)\d-[0-9a-f]{8}-[0-9a-f-]{27}"),
    ("Salesforce", r"00D[A-Za-z0-9]{12}![A-Za-z0-9._]{60,}"),
    ("ClickUp", r"pk_\d{5,}_[A-Z0-9]{30,}"),
    ("Frame.io or Lob", r"fio-u-[A-Za-z0-9_=-]{60,}|(?:live|test)_[0-9a-f]{35}"),
    # registries
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI", r"pypi-[A-Za-z0-9_-]{40,}"),
    ("RubyGems", r"rubygems_[0-9a-f]{48}"),
    ("NuGet", r"oy2[a-z0-9]{43}"),
    ("Docker", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("the Rust registry", r"cio[a-zA-Z0-9]{32}"),
    ("Clojars", r"CLOJARS_[0-9a-z]{60}"),
    ("Packagist", r"packagist_[ou][ru][ts]_[0-9a-f]{64}|packagist_(?:org|user)_[a-z]{2,8}_[0-9a-f]{64}"),
    ("Artifactory", r"AKC[A-Za-z0-9]{60,}|cmVmdGtu[A-Za-z0-9]{50,}"),
    ("Cloudsmith or Gemfury", r"(?:csa|fury)_[A-Za-z0-9_-]{30,}"),
    # models
    ("Anthropic", r"sk-ant-[A-Za-z0-9_-]{20,}"),
    ("OpenAI, and who took over its form", r"~sk-(?:proj-|svcacct-|admin-|or-v1-|None-|lf-)?[A-Za-z0-9_-]{20,}"),
    ("Hugging Face", r"(?:hf|api_org)_[A-Za-z]{30,}|hf_[A-Za-z0-9]{30,}"),
    ("Perplexity", r"pplx-[A-Za-z0-9]{40,}"),
    ("Groq", r"gsk_[A-Za-z0-9]{40,}"),
    ("xAI", r"xai-[A-Za-z0-9_-]{60,}"),
    ("Replicate", r"r8_[A-Za-z0-9]{37}"),
    ("LangSmith", r"lsv2_(?:pt|sk)_[0-9a-fA-F]{32}_[0-9a-fA-F]{10}"),
    ("Tavily", r"tvly-(?:dev-|prod-)?[A-Za-z0-9-]{24,}"),
    ("Pinecone", r"pcsk_[A-Za-z0-9_]{50,}"),
    ("Cerebras, Fireworks, NVIDIA, Jina, Voyage", r"~(?:csk-|fw_|nvapi-|jina_|pa-)[A-Za-z0-9_-]{40,}"),
    # observability
    ("Grafana", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}|glc_[A-Za-z0-9+/=]{32,}|eyJrIjoi[A-Za-z0-9+/=_-]{40,}"),
    ("New Relic", r"NRA[KL]-[A-Z0-9]{27,}|NR(?:II|IQ|RA|JS|AA|SP)-[A-Za-z0-9_-]{19,}|[0-9a-f]{36}NRAL"),
    ("Sentry", r"sntrys_[A-Za-z0-9+/=_-]{50,}|sntry[ua]_[0-9a-f]{64}"),
    ("Honeycomb", r"hc[a-z]i[kc]_[a-z0-9]{58}"),
    ("Dynatrace", r"dt0[a-z]\d\d\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}"),
    ("PostHog", r"ph[cx]_[A-Za-z0-9_-]{40,}"),
    ("Axiom, BetterStack, Rollbar", r"xa[ap]t-[0-9a-f]{8}-[0-9a-f-]{27}"),
    # building and delivering
    ("SonarQube", r"sq[pua]_[0-9a-f]{40}"),
    ("CircleCI", r"CCIP(?:AT|RJ)_[A-Za-z0-9]{20,}_[0-9a-z]{40}"),
    ("Buildkite", r"bk(?:ua|ct|at|aj|pat)_[A-Za-z0-9_-]{40,}"),
    ("Postman", r"PMA[KT]-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("Chromatic", r"chpt_[0-9a-f]{12,}"),
    ("Terraform Cloud", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    ("Pulumi", r"pul-[0-9a-f]{40}"),
    ("Vault", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    ("Vault, before 1.10", r"~[sbr]\.[A-Za-z0-9]{24}"),
    ("Doppler", r"dp\.(?:pt|ct|st(?:\.[a-z0-9_-]{2,35})?|sa|scim|audit)\.[A-Za-z0-9]{40,44}"),
    ("1Password", r"ops_eyJ[A-Za-z0-9+/=_-]{100,}|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}"),
    ("Infisical", r"st\.[0-9a-f]{8,}\.[0-9a-f]{16,}\.[0-9a-f]{16,}"),
    ("Tailscale", r"tskey-[a-z]{2,8}-[A-Za-z0-9-]{20,}"),
    ("LaunchDarkly", r"(?:sdk|api|mob)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    ("Okta", r"SSWS 00[A-Za-z0-9_-]{38,42}"),
    ("Prefect", r"pn[ub]_[A-Za-z0-9]{36}"),
    ("Readme, Scalingo, Shippo, Sendbird", r"rdme_[a-z0-9]{70}|tk-us-[\w-]{48}|shippo_(?:live|test)_[0-9a-fA-F]{40}"),
    ("EvilMartians' or Settlemint's", r"sm_(?:aat|pat|sat)_[A-Za-z0-9]{16,}"),
    ("Rails or Sidekiq licence", r"contribsys\.com[ \t]+[0-9a-f]{8}:[0-9a-f]{8}"),
    ("Docker Swarm", r"SWM(?:TKN|KEY)-1-[A-Za-z0-9+/-]{40,}"),
    ("OpenShift", r"sha256~[A-Za-z0-9_-]{43}"),
    ("Octopus Deploy", r"API-[A-Z0-9]{25,32}"),
    ("Harness", r"[ps]at\.[A-Za-z0-9_-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    ("Infracost", r"ico-[A-Za-z0-9]{32}"),
    ("Sourcegraph", r"sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}"),
    ("WakaTime", r"waka_[A-Za-z0-9-]{36,}"),
    ("Rootly and others of hexadecimal", r"(?:rootly|e2b|sk|cal_live|nhb|patw|ubdk|cursor|key_live|key_test|pul|avi|sal|oki)_[0-9a-f]{32,}"),
    # databases
    ("Elastic Cloud", r"essu_[A-Za-z0-9_-]{60,}={0,2}"),
    ("DataStax Astra", r"AstraCS:[A-Za-z0-9:]{20,}"),
    ("ConfigCat", r"configcat-(?:sdk-1|proxy)/[A-Za-z0-9_-]{22}/[A-Za-z0-9_-]{22}"),
    ("MaxMind", r"[A-Za-z0-9_]{29}_mmk|[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    ("Databricks", r"(?:dapi|dose)[0-9a-f]{32}"),
    ("ClickHouse Cloud", r"4b1d[A-Za-z0-9]{38}"),
    ("PlanetScale", r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9_.=-]{32,}"),
    ("Supabase", r"sb_secret_[A-Za-z0-9_-]{20,}|sb[op]_[0-9a-z]{40}"),
    ("Neon", r"napi_[A-Za-z0-9]{60,}"),
    ("Aiven, Turso, Upstash", r"AVNS_[A-Za-z0-9_-]{18,}"),
    # maps
    ("Mapbox", r"sk\.eyJ1Ijoi[\w-]{30,}\.[\w-]{20,}"),
    # payments and others abroad
    ("Asaas", r"\$aact_[A-Za-z0-9_:=+/-]{30,}"),
    ("Onfido", r"api_(?:live|sandbox)(?:_[a-z]{2})?\.[A-Za-z0-9_.-]{40,}"),
    ("Plaid", r"access-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f-]{27}"),
    ("Adobe", r"p8e-[A-Za-z0-9]{32}"),
    ("Authress", r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][A-Za-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}"),
    ("42", r"s-s4t2(?:ud|af)-[0-9a-f]{64}"),
    ("fal", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{32}"),
    ("Runpod, Thunderstore, Zuplo, Devin, Lichess, Proof, Unkey, Pinterest, Polar, Paddle, Persona, DevCycle", r"~(?:rpa|tss|zpka|cog|lip|prf|unkey|pina|polar_(?:at|oat|pat)|pdl_live_apikey|persona_production|dvc_(?:client|server|mobile)|sk_car)_[A-Za-z0-9_-]{16,}"),
    ("Apify, Adafruit, Alchemy, Logfire, Together", r"(?:apify_api|aio|alcht|pylf_v\d_[a-z]{2}|tgp_v1)_[A-Za-z0-9_-]{28,}"),
    ("Trigger.dev, Chief Tools, GoCardless", r"~(?:tr_(?:dev|prod|stg|preview)|ct[pr]|live)_[A-Za-z0-9_=-]{24,}"),
    ("Defined Networking, PubNub", r"dnkey-[a-z0-9=_-]{26}-[a-z0-9=_-]{52}|sec-c-[A-Za-z0-9+/=-]{36,}"),
    ("MailerSend, StackHawk", r"mlsn\.[0-9a-f]{64}|hawk\.[A-Za-z0-9_-]{20}\.[A-Za-z0-9_-]{20}"),
    ("Brave", r"~BSA[A-Za-z0-9_-]{27,}"),
    # general forms
    ("JSON web token", r"e(?:yJ|wog)[\w-]{8,}\.(?:eyJ|ewo)?[\w-]{8,}\.[\w-]{8,}"),
    ("JSON web encryption", r"eyJ[\w-]{8,}\.[\w-]*\.[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    ("PKCS 12", r"MII[A-Za-z0-9+/]{2}[AQgw]IBAzC[AC][A-Za-z0-9+/=]{40,}"),  # a sequence that begins with version 3
    ("minisign", r"RWRTY0Iy[A-Za-z0-9+/=]{100,}"),
    ("wallets", r"[xyzuv]prv[A-Za-z0-9]{100,}|nsec1[02-9ac-hj-np-z]{58}"),
    ("age", r"AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9-]{1,30})-1[02-9AC-HJ-NP-Z]{20,}|age-secret-key-1[02-9ac-hj-np-z]{50,}"),
    ("password hash", r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$[156y]\$(?:rounds=\d{1,9}\$|j[./A-Za-z0-9]{2,5}\$)?[./A-Za-z0-9]{1,30}\$[./A-Za-z0-9]{22,86}|\$argon2(?:id|i|d)\$[A-Za-z0-9+/=,$.]{30,}|\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"),
)  # fmt: skip

#: Before a form: no letter or digit, unless it ends an escape (``\\n``, ``%3D``). A beginning that
#: no word has needs nothing.
_APART = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=u00[0-9a-f]{2}))"
_DISTINCT = re.compile(
    r"(?!key-)[A-Za-z0-9]{2,}[_-]|gh\[|gl\(|xox|hv\[|do\[|shp\(|dckr_|[sr]k_|\\\.|\(\?:/|hooks\\|discord|chat\\|maker"
)
_TAIL = r"[A-Za-z0-9_-]{0,200}"


#: A service's short word, then random characters: most issuers make their tokens like that since
#: scanners look for them.
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9/+=_.-])(?:[A-Za-z][A-Za-z0-9]{1,11}[_.~-](?:v\d[_-])?){1,4}?([A-Za-z0-9][A-Za-z0-9_-]{19,2000})(?![A-Za-z0-9_+/-]|\.\w)",
    re.ASCII,
)
#: Words before what services call their records by: no secrets.
_IDENTITY = re.compile(
    r"[A-Z]{1,6}_kw|(?:dpl|run|req|request|evt|event|msg|prj|team|usr|user|cus|sub|in|pi|ch|acct|price|prod|file|thread|asst|resp|chatcmpl|toolu|call|org|wf|job|step|task"
    r"|txn|tr|node|id|build|batch|snapshot|sess|trace|span|sha256|sha512|sha384|md5|layer|img|image|ssh-(?:rsa|ed25519)|github|tmp|ssh)[_-]"
)
_BLOCKS = re.compile("[0-9A-Za-z]{20,}")


def prefixed(text: str) -> Iterator[Span]:
    """Tokens of services that are in no list: a short word, then what only a generator makes."""
    for found in _PREFIXED.finditer(text):
        body = _BLOCKS.search(found.group())
        if body and _generated(body.group()) and not _IDENTITY.match(found.group()):
            yield found.span()


def _generated(run: str) -> bool:
    """Whether letters of both cases and digits change places as they do in random characters,
    and in nothing that people write.
    """
    upper, lower = sum(c.isupper() for c in run), sum(c.islower() for c in run)
    digits = len(run) - upper - lower
    changes = sum(_CLASS[ord(a)] != _CLASS[ord(b)] for a, b in pairwise(run))
    return (
        min(upper, lower) * 6 >= len(run)
        and digits * 20 >= len(run)
        and changes * 2.6 >= len(run)
        and not run.startswith(("ZN", "17h"))
    )


_CLASS = ["".join((str(int(chr(n).isupper())), str(int(chr(n).islower())))) for n in range(128)]


_NATS_SEED = re.compile(r"(?<![A-Za-z0-9])S[ACNOUX][A-Z2-7]{56}(?![A-Za-z0-9])")


def nats_seeds(text: str) -> Iterator[Span]:
    """Seeds of NATS' nkeys: what they are for, 32 bytes, and a CRC-16 of both, in base32 (NATS'
    documentation, "NKeys"). Of as many random characters one in 65,536 has its own.
    """
    for found in _NATS_SEED.finditer(text):
        data = base64.b32decode(found.group() + "======")
        if binascii.crc_hqx(data[:-2], 0) == int.from_bytes(data[-2:], "little"):
            yield found.span()


def token_finder(form: str) -> Callable[[str], Iterator[Span]]:
    """What finds the form in a line: each match to the end of its run of letters and digits, for
    a longer form may begin alike.
    """
    wordless = form.startswith("~")
    form = form.lstrip("~")

    @cache
    def compiled() -> re.Pattern[str]:  # a log has secrets of few issuers, if any
        return re.compile(rf"{'' if _DISTINCT.match(form) and not wordless else _APART}(?:{form}){_TAIL}", re.ASCII)

    def spans(text: str) -> Iterator[Span]:
        for found in compiled().finditer(text):
            if not (wordless and is_readable(found.group())):
                yield found.span()

    return spans
