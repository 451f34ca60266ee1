"""Every condition that cannot be used is refused with advice."""

from typing import Literal

import pytest

from tests.rules.shop import when
from tnc.core.errors import InvalidError
from tnc.core.models import Condition
from tnc.rules.conditions import compile_condition
from tnc.rules.vocabulary import OPERATORS_OF, Scope


def refusal(condition: Condition, of: Literal["flow", "filter"] = "flow") -> str:
    with pytest.raises(InvalidError) as caught:
        compile_condition(condition, Scope(of=of))
    return str(caught.value)


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        (when("contry", "is", ["US"]), ["'contry'", "did you mean 'country'", "param.NAME", "sub1 to sub20"]),
        (when("offer", "is", ["x"]), ["only known after the decision"]),
        (when("config_version", "is", [1]), ["says nothing about the visitor", "facts are"]),
        (when("visitor", "is", ["x"]), ["says nothing about the visitor"]),
        (when("params", "is", ["x"]), ["param.NAME"]),
        (when("header.", "is", ["x"]), ["no fact 'header.'"]),
        (when("country", "contains", "U"), ["'contains' does not fit country", "is, not"]),
        (when("vpn", "above", 1), ["'above' does not fit vpn"]),
        (when("country", "like", ["U"]), ["no operator 'like'", "is, not"]),
        (when("share", "is", [5]), ["above, below, between"]),
        (when("country", "is", []), ["empty"]),
        (when("country", "is", ["UK"]), ["'UK' is no country", "GB"]),
        (when("country", "is", ["Germany"]), ["two letters"]),
        (when("country", "is", [True]), ["takes text"]),
        (when("language", "is", ["en-US"]), ["primary tag", "'en'"]),
        (when("language", "is", ["!"]), ["no language"]),
        (when("device", "is", ["phone"]), ['"phone"', "desktop, mobile, tablet", "unknown"]),
        (when("connection", "is", ["cable"]), ["cellular, broadband"]),
        (when("consent", "is", ["yes"]), ["granted, denied, unknown"]),
        (when("weekday", "is", ["Monday"]), ["mon, tue, wed"]),
        (when("weekday", "between", ["mon", "unknown"]), ["mon, tue, wed"]),
        (when("vpn", "is", ["yes"]), ["true, false, unknown"]),
        (when("vpn", "is", [1.5]), ["true, false, unknown"]),
        (when("hour", "is", [24]), ["0 to 23"]),
        (when("hour", "between", [22, True]), ["0 to 23"]),
        (when("hour", "between", [22]), ["two values"]),
        (when("hour", "is", ["12:30"]), ["use between"]),
        (when("hour", "above", [1, 2]), ["one value"]),
        (when("hour", "is", [3], "Europe/Berln"), ["'Europe/Berln'", "Europe/Berlin"]),
        (when("hour", "is", [3], "../../etc/passwd"), ["no time zone"]),
        (when("country", "is", ["US"], "UTC"), ["takes no timezone"]),
        (when("asn", "is", ["AS1"]), ["takes numbers"]),
        (when("asn", "above", True), ["takes numbers", "true"]),
        (when("asn", "above", float("nan")), ["takes numbers"]),
        (when("asn", "between", [5, 1]), ["smaller one first"]),
        (when("param.x", "above", "much"), ["takes numbers"]),
        (when("os_version", "above", "new"), ["versions"]),
        (when("city", "is", [5]), ["in quotes"]),
        (when("city", "contains", [""]), ["empty text"]),
        (when("ip", "is", ["10.0.0.0/8"]), ["use the operator in"]),
        (when("ip", "is", ["me"]), ["no address"]),
        (when("ip", "in", ["10.0.0.0/8", "10.0.0.0/40"]), ['"10.0.0.0/40"', "no network"]),
        (when("user_agent", "matches", ["(?=x)"]), ["invalid perl operator: (?=", "RE2"]),
        (when("user_agent", "matches", ["a", "("]), ["missing )"]),
        (when("clicked_at", "above", "tomorrow"), ["no time"]),
    ],
)
def test_a_wrong_condition_is_refused_with_advice(condition: Condition, parts: list[str]) -> None:
    sentence = refusal(condition)

    assert [part for part in parts if part not in sentence] == []


def test_every_operator_of_a_fact_can_be_used() -> None:
    assert {operator for operators in OPERATORS_OF.values() for operator in operators} == {
        "is", "not", "contains", "starts", "ends", "matches", "in", "above", "below", "between",
    }  # fmt: skip


CROSSING = [
    when("bot", "is", ["facebookexternalhit"]),
    when("bot", "not", ["unknown", "AdsBot-Google"]),
    when("bot", "contains", "google"),
    when("traffic", "is", ["crawler"]),
    when("traffic", "not", ["bot", "crawler"]),
    when("reasons", "is", ["crawler_failed"]),
    when("user_agent", "contains", "FacebookExternalHit"),
    when("user_agent", "matches", r"AdsBot\-Google"),
    when("header.User-Agent", "starts", ["x", "LinkedInBot"]),
    when("user_agent", "contains", "externalhit"),
    when("user_agent", "matches", "f.cebookexternal|AhrefsBot"),
    when("user_agent", "matches", "(?i)[a]dsbot-[g]oogle"),
    when("user_agent", "matches", "^facebook"),
    when("user_agent", "matches", r"tw[i]tter\x62ot"),
    when("header.User-Agent", "contains", "linkedin.com"),
    when("user_agent", "not", ["facebookexternalhit/1.1"]),
    when("user_agent", "starts", "Twitter"),
    when("user_agent", "ends", "tiktok.com)"),
    when("reasons", "contains", "claimed"),
    when("reasons", "matches", "^c"),
    when("reasons", "matches", "cl[a]imed"),
    when("browser", "is", ["Googlebot"]),
    when("asn", "is", [32934]),
    when("asn", "not", [32934, 15169]),
    when("asn", "is", [396986, "unknown"]),
    when("asn", "between", [14413, 14413]),
    when("asn", "is", [32934, 64512, 4_200_000_000]),
    when("asn", "is", [13238]),
    when("isp", "is", ["Facebook, Inc."]),
    when("isp", "contains", "faceb"),
    when("isp", "matches", "^(meta|google llc)"),
    when("isp", "is", ["TikTok Information Technologies UK Limited"]),
]


@pytest.mark.parametrize("of", ["flow", "filter"])
@pytest.mark.parametrize("condition", CROSSING)
def test_conditions_that_single_out_reviewers_are_refused(condition: Condition, of: Literal["flow", "filter"]) -> None:
    sentence = refusal(condition, of)

    assert f"so no {of} may tell them apart" in sentence


@pytest.mark.parametrize(
    "condition",
    [
        when("bot", "is", ["unknown"]),
        when("traffic", "is", ["bot", "suspect"]),
        when("traffic", "is", ["human"]),
        when("asn", "is", [32934, 7922]),
        when("asn", "between", [1, 65000]),
        when("asn", "above", 64511),
        when("isp", "contains", "google fiber"),
        when("isp", "is", ["Facebook, Inc.", "My own ISP"]),
        when("isp", "contains", "inc"),
        when("user_agent", "matches", "bot|crawler|spider"),
        when("user_agent", "matches", "bot|crawl|spider|curl|python|java/|preview"),
        when("user_agent", "contains", ["FBAN", "Instagram", "Twitter", "LinkedIn", "Pinterest", "Snapchat", "TikTok"]),
        when("user_agent", "contains", "Nexus 5X"),
        when("user_agent", "matches", "(Android|iPhone).*Mobile"),
        when("user_agent", "starts", "Mozilla"),
        when("user_agent", "contains", ["+http", "compatible;", "bot"]),
        when("reasons", "starts", "net_"),
        when("reasons", "contains", "failed_payment"),
        when("asn", "is", [64512]),
        when("datacenter", "is", [True]),
    ],
)
def test_conditions_on_invalid_traffic_are_allowed(condition: Condition) -> None:
    assert compile_condition(condition).text
