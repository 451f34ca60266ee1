"""Devices, systems and browsers from user agents and hints; frozen or hidden values are unknown."""
# ruff: noqa: E501 - user agents are long

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.visitors.shared import cases
from tnc.visitors.client_hints import hint_headers, read_hints
from tnc.visitors.request import clean
from tnc.visitors.user_agent import UserAgentReader, reduced_user_agent

AGENTS = UserAgentReader()
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
)
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/{} Mobile/15E148 Safari/604.1"
)

INVENTED: list[dict[str, Any]] = [
    {"user_agent": CHROME, "expect": {"os": "Windows", "os_version": None, "browser": "Chrome"}},
    {"user_agent": CHROME, "expect": {"browser_version": "150"}},
    {"user_agent": SAFARI.format("26.1"), "expect": {"os": "iOS", "os_version": "26", "device": "mobile"}},
    {"user_agent": SAFARI.format("18.6"), "expect": {"os_version": "18", "browser": "Safari", "brand": "Apple"}},
    {"user_agent": SAFARI.replace("Version/{} ", ""), "expect": {"os": "iOS", "os_version": None}},
    {
        "user_agent": CHROME,
        "headers": {"Sec-CH-UA-Platform": '"Windows"', "Sec-CH-UA-Platform-Version": '"10.0.0"'},
        "expect": {"os_version": "10"},
    },
    {
        "user_agent": CHROME,
        "headers": {"Sec-CH-UA-Platform": '"Windows"', "Sec-CH-UA-Platform-Version": '"0.3.0"'},
        "expect": {"os_version": "8.1"},
    },
    {
        "user_agent": CHROME,
        "headers": {"Sec-CH-UA": '"Chromium";v="150", "Not_A Brand";v="8", "Microsoft Edge";v="150"'},
        "expect": {"browser": "Edge", "browser_version": "150"},
    },
    {
        "user_agent": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0"
        " Mobile Safari/537.36",
        "headers": {"Sec-CH-UA-Platform": '"Android"', "Sec-CH-UA-Model": '"SM-S921B"', "Sec-CH-UA-Mobile": "?1"},
        "expect": {"brand": "Samsung", "model": "SM-S921B", "os_version": None, "device": "mobile"},
    },
    {
        "user_agent": "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0",
        "expect": {"device": "tv", "os": "webOS"},
    },
    {"user_agent": "curl/8.9.1", "expect": {"device": "other", "os": None}},
    {"user_agent": "", "expect": {"device": None, "browser": None}},
]  # fmt: skip


@pytest.mark.parametrize("case", [*INVENTED, *cases("ua/client-hints-cases.dev.json")])
def test_user_agents_and_hints_are_read(case: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in case.get("headers", {}).items()}

    agent = AGENTS.read(case["user_agent"], hint_headers(headers)).agent

    assert {name: getattr(agent, name) for name in case["expect"]} == case["expect"]


def test_devices_of_real_browsers_are_recognised() -> None:
    browsers = cases("ua/real-browsers.dev.jsonl") or [{"user_agent": CHROME, "device": "desktop", "weight": 1.0}]

    wrong = [each for each in browsers if AGENTS.read(each["user_agent"]).agent.device != each["device"]]

    assert sum(each["weight"] for each in wrong) < 0.001


@pytest.mark.parametrize("case", cases("ua/hostile.json") or [{"bytes_latin1": "Mozilla/5.0 " + "(" * 8000}])
def test_hostile_user_agents_are_read_fast(case: dict[str, str]) -> None:
    text = clean(case["bytes_latin1"].encode("latin-1").decode("utf-8", "surrogateescape"))
    started = time.thread_time()

    AGENTS.read(text)

    assert time.thread_time() - started < 0.05, "CPU time, which no other process adds to"


@given(st.text(max_size=200), st.lists(st.text(max_size=60), min_size=6, max_size=6))
def test_reading_never_raises(user_agent: str, sent: list[str]) -> None:
    agent = AGENTS.read(clean(user_agent), tuple(clean(each) for each in sent))

    assert reduced_user_agent(agent.agent.browser, agent.agent.os)


@pytest.mark.parametrize(
    "broken", ["garbage", '"a', '"a";v=', '"a";v="1" "b"', '"a";v="1",,"b"', '"\\x";v="1"', "1, 2"]
)
def test_a_malformed_brand_list_is_ignored(broken: str) -> None:
    assert read_hints((broken, broken, "", "", "", "")).brands == {}


def test_brands_with_quotes_commas_and_other_parameters_are_read() -> None:
    hints = read_hints(("", r'"a;b\"c, \\";v="1"; x=?1;y=2.5, "B";q;v="22.0"', "?1", '"X"', '"1.2"', '" M 1 "'))

    assert hints.brands == {r'a;b"c, ' + "\\": "1", "B": "22.0"}
    assert (hints.mobile, hints.platform, hints.platform_version, hints.model) == (True, "X", "1.2", "M 1")


def test_a_reduced_user_agent_has_browser_and_system_only() -> None:
    assert reduced_user_agent("Chrome", "Windows") == "Chrome on Windows"
    assert reduced_user_agent(None, None) == "Unknown on unknown"


FACEBOOK = (
    "[FBAN/FB4A;FBAV/436.0.0.35.101;FBLC/en_US;FBMF/samsung;FBPN/com.facebook.katana;FBDV/SM-A536U;FBSV/13;FBCA/x:;]"
)
WEBVIEW = "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0 Mobile Safari/537.36"
HARMONY = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300"


UNUSUAL = {
    FACEBOOK: "mobile Samsung SM-A536U Android 13",
    f"Dalvik/2.1.0 (Linux; U; Android 13; SM-A536U Build/TP1A) {FACEBOOK}": "mobile Samsung SM-A536U Android 13",
    f"Mozilla/5.0 (Linux; Android 12; moto g(50) 5G Build/S1R; wv) {WEBVIEW}": "mobile Motorola g(50) 5G Android 12",
    f"Mozilla/5.0 (Linux; Android 11; moto e(7) plus) {WEBVIEW}": "mobile Motorola e(7) plus Android 11",
    f"Mozilla/5.0 (Linux; Android 14; motorola edge 40 neo Build/U) {WEBVIEW}": "mobile Motorola edge 40 neo Android 14",
    f"Mozilla/5.0 (Phone; OpenHarmony 5.0) {HARMONY}": "mobile Huawei None OpenHarmony 5",
    f"Mozilla/5.0 (Tablet; OpenHarmony 5.0) {HARMONY}": "tablet Huawei None OpenHarmony 5",
    f"Mozilla/5.0 (PC; OpenHarmony 5.0) {HARMONY.replace(' Mobile', '')}": "desktop None None OpenHarmony 5",
    f"Mozilla/5.0 (Linux; Android 10; HarmonyOS; NOH-AN00; HMSCore 6.13) {HARMONY}": "mobile Huawei NOH-AN00 Android 10",
}


@pytest.mark.parametrize(("user_agent", "expected"), UNUSUAL.items())
def test_unusual_devices_have_the_right_model_and_system(user_agent: str, expected: str) -> None:
    facts = AGENTS.read(user_agent)

    agent = facts.agent
    assert f"{agent.device} {agent.brand} {agent.model} {agent.os} {agent.os_version}" == expected
    assert facts.claim is None
