"""A template as the TOML its owner applies, with the words that nobody else can fill in left open."""

import re
import textwrap
from collections.abc import Iterator, Mapping

from tnc.campaigns.export import export_toml
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.templates.catalogue import NetworkTemplate, SourceTemplate, Template
from tnc.core.errors import InvalidError
from tnc.core.mistakes import alternatives
from tnc.core.models import SUBS, Configuration, Network, NetworkId, Postback, Source, SourceId

OURS = frozenset({"external_id", "payout", "currency", "event", "status", "conversion_id", "random"})
_OPEN = re.compile(r"YOUR_[A-Z_]+")
# Addresses stay whole, so that they can be copied.
_LINES = textwrap.TextWrapper(width=110, break_long_words=False, break_on_hyphens=False)
_MACRO = re.compile(r"\{(\w+)\}")


def open_words(template: Template) -> tuple[str, ...]:
    """The YOUR_... words that must be filled in, in the order in which they stand."""
    text = template.postback or "" if isinstance(template, SourceTemplate) else ""
    return tuple(dict.fromkeys(_OPEN.findall(text)))


def render(template: Template, *, domain: str = "YOUR-DOMAIN", words: Mapping[str, str] | None = None) -> str:
    """TOML for `tnc apply`, under comments that say what to do at the other side.

    `words` fills in `open_words`; what is missing stays and is refused by `apply` by name. InvalidError
    for a word that the template does not have.
    """
    given = words or {}
    for word in given:
        if word not in open_words(template):
            raise InvalidError(f"{template.id} has no {word}: it has {', '.join(open_words(template)) or 'none'}.")
    comments = [f"{template.name} ({template.confidence})", *steps(template, domain)]
    wrapped = (
        line for text in comments for line in textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False)
    )
    return "".join(f"# {line}\n" for line in wrapped) + table(template, given)


def steps(template: Template, domain: str) -> Iterator[str]:
    """What to do and to know at the other side."""
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
    """What goes behind the tracking address in the source's own form: our parameters, its macros."""
    pairs = [("click_id", template.click_id if template.auto_click_param is None else None)]
    pairs += [("cost", template.cost)]
    if template.cost_currency and not template.cost_currency.isalpha():
        pairs += [("currency", template.cost_currency)]
    pairs += _subs(template).items()
    return "&".join(f"{name}={macro}" for name, macro in pairs if macro)


def _subs(template: SourceTemplate) -> dict[str, str]:
    """What becomes sub1..sub20: our parameter -> its macro."""
    usual = {
        "campaign": template.campaign,
        "adgroup": template.adgroup,
        "creative": template.creative,
        "site": template.site,
        "keyword": template.keyword,
    }
    extra = {name: macro for name, macro in template.extra.items() if macro != "auto"}
    told = {name: macro for name, macro in (usual | extra).items() if macro}
    return dict(list(told.items())[: len(SUBS)])


def _source_steps(template: SourceTemplate, domain: str) -> Iterator[str]:
    if query := tracking_query(template):
        yield f"In the address of your ad: https://{domain}/CAMPAIGN?{query}"
    if template.auto_click_param:
        yield f"It adds its click id, {template.auto_click_param}, by itself."
    if template.cost_currency and template.cost_currency.isalpha():
        yield f'Its costs are in {template.cost_currency}: give your campaign that currency, and `model = "auto"`.'
    if types := [each.type for each in PLATFORMS.values() if template.auto_click_param in each.click_ids]:
        yield f"Send conversions there with a destination of the type {alternatives(types)}."
    elif template.postback is None:
        yield "No postback URL is known, and tnc has no type of destination for it."
    if words := open_words(template):
        yield f"Fill in from your account: {', '.join(words)}"
    if template.dedup_note:
        yield template.dedup_note


def _source(template: SourceTemplate, words: Mapping[str, str]) -> dict[SourceId, Source]:
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
            postback=_postback(template, named, words),
            paused=template.confidence == "memory",
        )
    }


def _postback(template: SourceTemplate, named: Mapping[str, str], words: Mapping[str, str]) -> Postback | None:
    if template.postback is None:
        return None
    url = _MACRO.sub(lambda macro: macro[0] if macro[1] in OURS else f"{{{named[macro[1]]}}}", template.postback)
    return Postback(url=_OPEN.sub(lambda word: words.get(word[0], word[0]), url), method=template.method)


# ------------------------------------------------------------------------------------------------ networks


def postback_address(template: NetworkTemplate, *, domain: str) -> str | None:
    """Our postback address with the network's macros; None when it is not known to send any."""
    if template.click_id is None:
        return None
    pairs = {"cid": template.click_id, "payout": template.payout, "currency": template.currency, "txid": template.txid}
    pairs["status"] = template.status if template.status and not template.status.isalpha() else None
    return f"https://{domain}/postback?" + "&".join(f"{name}={macro}" for name, macro in pairs.items() if macro)


def _network_steps(template: NetworkTemplate, domain: str) -> Iterator[str]:
    if template.append:
        yield f"At the end of the offer's URL: {template.append}"
    if address := postback_address(template, domain=domain):
        yield f"As postback in your account there: {address}"
    else:
        yield "No postback is known: use `tnc conversion import`."


def _network(template: NetworkTemplate) -> dict[NetworkId, Network]:
    words = {"lead": template.lead, "sale": template.sale, "rejected": template.rejected}
    identity = NetworkId(template.id)
    return {
        identity: Network(
            id=identity,
            name=template.name,
            statuses={status: said for status, said in words.items() if said},
            paused=template.confidence == "memory",
        )
    }
