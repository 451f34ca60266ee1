"""Where the owner finds what a destination needs, in the words of the guide for owners."""

from collections.abc import Mapping
from typing import Final

from tnc.core.models import DestinationType

_TEST_CODE: Final = "While it stands here, nothing counts"
_GOOGLE: Final = {
    "account": "Google Ads, top right: the customer id, ten digits without hyphens, of the account that owns the "
    "conversion action",
    "login_account": "the manager account, if you reach it through one",
    "conversion_action": "Google Ads, Goals, Conversions, your action (source: import, from clicks): `ctId=` in the "
    "address",
    "client_id": "console.cloud.google.com: enable the Data Manager API, then Credentials, OAuth client",
    "client_secret": "console.cloud.google.com: enable the Data Manager API, then Credentials, OAuth client",
    "refresh_token": "the answer to that client's consent page with the scope "
    "`https://www.googleapis.com/auth/datamanager`",
    "token_url": "leave it",
}
_FILE: Final = {
    "conversion_name": "the name of the conversion action or goal, exactly as it stands there",
    "timezone": "of the times in the file",
}

WHERE: Final[Mapping[DestinationType, Mapping[str, str]]] = {
    "meta": {
        "pixel": "Events Manager, Data sources: the number under the pixel's name",
        "access_token": "Events Manager, the pixel, Settings, Conversions API, Generate access token",
        "app_secret": "only if your app requires proof: developers.facebook.com, your app, Settings, Basic",
        "api_version": "leave it; raise it when Meta says that a version ends",
        "test_event_code": f"Events Manager, Test events. {_TEST_CODE}",
        "page": "the page that counts as the place of the conversion, if it should not be the tracking link",
    },
    "tiktok": {
        "pixel": "TikTok Ads Manager, Tools, Events, Web events: the pixel code, letters and digits",
        "access_token": "there, the pixel, Settings, Events API, Generate access token",
        "test_event_code": f"there, Test events. {_TEST_CODE}",
        "page": "as for Meta",
    },
    "google-data-manager": _GOOGLE,
    "google-ads": {
        **_GOOGLE,
        "developer_token": "the manager account, Tools, API center",
        "api_version": "leave it; raise it when Google says that a version ends",
    },
    "google-csv": _FILE,
    "microsoft-csv": _FILE,
    "postback": {
        "url": "the address with macros, from the source's help pages or a template (`tnc template list`)",
        "method": "for those who want a POST; values stay inside JSON strings and form fields",
        "body": "for those who want a POST; values stay inside JSON strings and form fields",
        "content_type": "for those who want a POST; values stay inside JSON strings and form fields",
        "headers": "more headers; their values are secret",
        "success": "patterns (RE2) on the answer, for those who say 200 to everything",
        "failure": "patterns (RE2) on the answer, for those who say 200 to everything",
    },
    "webhook": {
        "url": "of your own system",
        "secret": "`whsec_` and base64 of at least 24 random bytes; your side checks the signature with any Standard "
        "Webhooks library",
    },
}
