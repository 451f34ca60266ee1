"""Writes a template as TOML to apply, with placeholders for values of the owner's account."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from tnc.campaigns.export import export_toml
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.templates.catalogue import NetworkTemplate, SourceTemplate, Template
from tnc.core.errors import InvalidError
from tnc.core.mistakes import alternatives
from tnc.core.models import SUBS, Configuration, Network, NetworkId, Postback, Source, SourceId

OURS = frozenset({"external_id", "payout", "currency", "event", "status", "conversion_id", "random"})
_PLACEHOLDER = re.compile(r"YOUR_[A-Z_]+")
# URLs are not broken, so that they can be copied.
_LINES = textwrap.TextWrapper(width=110, break_long_words=False, break_on_hyphens=False)
_MACRO = re.compile(r"\{(\w+)\}")


def placeholders(template: Template) -> tuple[str, ...]:
    """The placeholders `YOUR_...` that the owner must fill in, in the order of the template."""
    text = template.postback or "" if isinstance(template, SourceTemplate) else ""
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))


def render(template: Template, *, domain: str = "YOUR-DOMAIN", values: Mapping[str, str] | None = None) -> str:
    """TOML for `tnc apply`, with comments that say what to do in the account of the source or network.

    `values` fills in placeholders; `apply` refuses those that are left. Raises InvalidError for a placeholder that the
    template does not have.
    """
    given, known = values or {}, placeholders(template)
    for placeholder in given:
        if placeholder not in known:
            raise InvalidError(f"{template.id} has no {placeholder}: it has {', '.join(known) or 'none'}.")
    comments = [f"{template.name} ({template.confidence})", *steps(template, domain)]
    lines = (line for text in comments for line in _LINES.wrap(text))
    return "".join(f"# {line}\n" for line in lines) + table(template, given)


def steps(template: Template, domain: str) -> Iterator[str]:
    """What to do in the account of the source or network."""
    if isinstance(template, SourceTemplate):
        yield from _source_steps(template, domain)
    else:
        yield from _network_steps(template, domain)
    if template.notes:
        yield template.notes


def table(template: Template, given: Mapping[str, str]) -> str:
    """TOML without comments."""
    if isinstance(template, SourceTemplate):
        return export_toml(Configuration(sources=_source(template, given)))
    return export_toml(Configuration(networks=_network(template)))


# ----------------------------------------------------------------------------------------- traffic sources


def tracking_query(template: SourceTemplate) -> str:
    """The query of the tracking link for the source: parameters of tnc with macros of the source."""
    pairs = [("click_id", template.click_id if template.auto_click_param is None else None)]
    pairs += [("cost", template.cost)]
    if template.cost_currency and not template.cost_currency.isalpha():
        pairs += [("currency", template.cost_currency)]
    pairs += _subs(template).items()
    return "&".join(f"{name}={macro}" for name, macro in pairs if macro)


def _subs(template: SourceTemplate) -> dict[str, str]:
    """The parameters for sub1 to sub20, with the macros of the source."""
    usual = {
        "campaign": template.campaign,
        "adgroup": template.adgroup,
        "creative": template.creative,
        "site": template.site,
        "keyword": template.keyword,
    }
    extra = {name: macro for name, macro in template.extra.items() if macro != "auto"}
    known = {name: macro for name, macro in (usual | extra).items() if macro}
    return dict(list(known.items())[: len(SUBS)])


def _base(domain: str) -> str:
    """`go.example.com` is reached over HTTPS; a URL like `http://127.0.0.1:8080` stays."""
    return domain if "://" in domain else f"https://{domain}"


def _source_steps(template: SourceTemplate, domain: str) -> Iterator[str]:
    if query := tracking_query(template):
        yield f"In the address of your ad: {_base(domain)}/CAMPAIGN?{query}"
    if template.auto_click_param:
        yield f"It adds its click id, {template.auto_click_param}, by itself."
    if template.cost_currency and template.cost_currency.isalpha():
        yield f'Its costs are in {template.cost_currency}: give your campaign that currency, and `model = "auto"`.'
    if types := [each.type for each in PLATFORMS.values() if template.auto_click_param in each.click_ids]:
        yield f"Send conversions there with a destination of the type {alternatives(types)}."
    elif template.postback is None:
        yield "No postback URL is known, and tnc has no type of destination for it."
    if known := placeholders(template):
        yield f"Fill in from your account: {', '.join(known)}"
    if template.dedup_note:
        yield template.dedup_note


# Parameters that name a placement, an ad or a part of it. Not among them: what stands for a click or a person, such as
# `auction_id`, `uid`, `gaid`, `ip`, `query` or `timestamp`.
_PLACE: Final = re.compile(
    r"campaign|ad_?set|ad_?group|ad_?(name|title|id|type|zone|size|ext)\b|creative|banner|placement|zone|site|spot|"
    r"section|widget|publisher|pub_?id|keyword|target_?id|block|feed|headline|^title|asset|flight|supply|domain|host|sub_source"
)


def _source(template: SourceTemplate, values: Mapping[str, str]) -> dict[SourceId, Source]:
    named = dict(zip(_subs(template), SUBS, strict=False))
    clicked = template.auto_click_param or ("click_id" if template.click_id else None)
    identity = SourceId(template.id)
    return {
        identity: Source(
            id=identity,
            name=template.name,
            click_id=clicked,
            cost="cost" if template.cost else None,
            params={sub: name for name, sub in named.items()},
            keep=tuple(sub for name, sub in named.items() if _PLACE.search(name)),
            postback=_postback(template, named, values),
            paused=template.confidence == "memory",
        )
    }


def _postback(template: SourceTemplate, named: Mapping[str, str], values: Mapping[str, str]) -> Postback | None:
    if template.postback is None:
        return None
    url = _MACRO.sub(lambda macro: macro[0] if macro[1] in OURS else f"{{{named[macro[1]]}}}", template.postback)
    return Postback(url=_PLACEHOLDER.sub(lambda found: values.get(found[0], found[0]), url), method=template.method)


# ------------------------------------------------------------------------------------------------ networks


def postback_url(template: NetworkTemplate, *, domain: str) -> str | None:
    """The postback URL of tnc with the macros of the network; None when it is not known to send postbacks."""
    if template.click_id is None:
        return None
    pairs = {"cid": template.click_id, "payout": template.payout, "currency": template.currency, "txid": template.txid}
    pairs["status"] = template.status if template.status and not template.status.isalpha() else None
    return f"{_base(domain)}/postback?" + "&".join(f"{name}={macro}" for name, macro in pairs.items() if macro)


def _network_steps(template: NetworkTemplate, domain: str) -> Iterator[str]:
    if template.append:
        yield f"At the end of the offer's URL: {template.append}"
    if address := postback_url(template, domain=domain):
        yield f"As postback in your account there: {address}"
    else:
        yield "No postback is known: use `tnc conversion import`."


def _network(template: NetworkTemplate) -> dict[NetworkId, Network]:
    statuses = {"lead": template.lead, "sale": template.sale, "rejected": template.rejected}
    identity = NetworkId(template.id)
    return {
        identity: Network(
            id=identity,
            name=template.name,
            statuses={status: sent for status, sent in statuses.items() if sent},
            paused=template.confidence == "memory",
        )
    }
