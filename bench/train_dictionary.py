"""Makes tnc/store/keys/records.dictionary, the compression dictionary with the bytes that all clicks share.

It is trained on generated clicks with random campaigns, sites and referrers, so that it only contains the structure of
records and the texts that all browsers share. If you run it after a change of the model, raise `FORMAT` in
tnc/store/keys/records.py and keep the old dictionary for the days that were written with it:

    .venv/bin/python bench/train_dictionary.py
"""

import random
from pathlib import Path

import msgspec
import zstandard

from tnc.core.clock import new_id
from tnc.core.models import CampaignId, Click, ClickId, ConversionChange, ConversionId, LanderClick, OfferId, Visit

CHANCE = random.Random(20261124)
WORDS = "alpha brook cedar delta ember fjord grove haven inlet junip knoll larch maple north ocean pine".split()
ANDROID = "K|SM-S918B|SM-A546B|SM-G991U|Pixel 8|Pixel 9 Pro|M2101K6G|2201117TY|CPH2449|moto g power".split("|")
COUNTRIES = "US US US GB DE FR IN BR MX CA AU IT ES PL NL ID PH TH VN TR ZA NG JP KR SE".split()
REGIONS = "California|Texas|England|Bavaria|Ile-de-France|Maharashtra|Sao Paulo|Ontario|New South Wales|Lombardy".split(
    "|"
)
CITIES = "Los Angeles|Houston|London|Munich|Paris|Mumbai|Sao Paulo|Toronto|Sydney|Milan|Madrid|Warsaw".split("|")
NETWORKS = "Comcast Cable Communications, LLC|AT&T Services, Inc.|Verizon Wireless|T-Mobile USA, Inc.|Deutsche Telekom AG|Orange S.A.|Reliance Jio Infocomm Limited|Bharti Airtel Ltd.|Charter Communications|Vodafone GmbH|Telefonica".split(
    "|"
)


def word() -> str:
    return CHANCE.choice(WORDS) + str(CHANCE.randrange(1000))


def user_agent() -> tuple[str, str, str, str]:
    chrome = CHANCE.randrange(120, 150)
    webkit = "AppleWebKit/537.36 (KHTML, like Gecko)"
    ios = f"{CHANCE.choice((16, 17, 18))}_{CHANCE.randrange(8)}"
    iphone = f"Mozilla/5.0 (iPhone; CPU iPhone OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    android = f"Mozilla/5.0 (Linux; Android {CHANCE.choice((10, 12, 13, 14, 15, 16))}; {CHANCE.choice(ANDROID)}"
    app = f"[FB_IAB/FB4A;FBAV/{CHANCE.randrange(400, 540)}.0.0.{CHANCE.randrange(90)}.{CHANCE.randrange(90)};]"
    return CHANCE.choice(
        (
            (f"{android}) {webkit} Chrome/{chrome}.0.0.0 Mobile Safari/537.36", "mobile", "Android", "Chrome"),
            (f"{android}; wv) {webkit} Version/4.0 Chrome/{chrome}.0.{CHANCE.randrange(7000)}.{CHANCE.randrange(200)} "
             f"Mobile Safari/537.36 {app}", "mobile", "Android", "Facebook"),
            (f"{iphone} Version/{CHANCE.randrange(16, 27)}.{CHANCE.randrange(7)} Mobile/15E148 Safari/604.1", "mobile", "iOS", "Safari"),
            (f"{iphone} Mobile/{CHANCE.randrange(20, 23)}A{CHANCE.randrange(100, 999)} Instagram {CHANCE.randrange(300, 410)}.0.0.{CHANCE.randrange(90)}.{CHANCE.randrange(90)} (iPhone15,{CHANCE.randrange(1, 6)}; iOS {ios}; en_US; en; scale=3.00; 1179x2556)", "mobile", "iOS", "Instagram"),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/{chrome}.0.0.0 Safari/537.36", "desktop", "Windows", "Chrome"),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/{chrome}.0.0.0 Safari/537.36 Edg/{chrome}.0.0.0", "desktop", "Windows", "Edge"),
            (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{chrome}.0) Gecko/20100101 Firefox/{chrome}.0", "desktop", "Windows", "Firefox"),
            (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Chrome/{chrome}.0.0.0 Safari/537.36", "desktop", "macOS", "Chrome"),
            (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{CHANCE.randrange(16, 27)}.{CHANCE.randrange(7)} Safari/605.1.15", "desktop", "macOS", "Safari"),
            (f"{android}) {webkit} SamsungBrowser/{CHANCE.randrange(23, 30)}.0 Chrome/{chrome}.0.0.0 Mobile Safari/537.36", "mobile", "Android", "Samsung Internet"),
            (f"Mozilla/5.0 (iPad; CPU OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{CHANCE.randrange(16, 27)}.0 Mobile/15E148 Safari/604.1", "tablet", "iOS", "Safari"),
            (f"Mozilla/5.0 (X11; Linux x86_64) {webkit} Chrome/{chrome}.0.0.0 Safari/537.36", "desktop", "Linux", "Chrome"),
        )
    )  # fmt: skip


def visit(at_ms: int) -> Visit:
    text, device, system, browser = user_agent()
    cookieless = CHANCE.random() < 0.4
    site = f"{word()}.{CHANCE.choice(('com', 'org', 'net', 'io', 'co.uk', 'de'))}"
    external = "%x" % CHANCE.getrandbits(CHANCE.choice((48, 64, 96, 128)))
    params = {
        CHANCE.choice(("ext", "click_id", "cid", "gclid", "ttclid")): external,
        CHANCE.choice(("site", "zone", "placement")): word(),
    }
    for name in (
        "creative",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "utm_content",
        "utm_term",
        "keyword",
        "campaign_id",
        "adset_id",
        "ad_id",
        "cost",
        "lang",
    ):
        if CHANCE.random() < 0.25:
            params[name] = CHANCE.choice(
                (word(), str(CHANCE.randrange(10**6)), "facebook", "cpc", "0.0%d" % CHANCE.randrange(90))
            )
    if CHANCE.random() < 0.2:
        params["fbclid"] = "IwAR" + "%x" % CHANCE.getrandbits(200)
    networks = CHANCE.random() < 0.6
    flag = {
        name: (CHANCE.random() < 0.04 if networks else None) for name in ("vpn", "proxy", "tor", "datacenter", "relay")
    }
    address = ".".join(str(CHANCE.randrange(1, 255)) for _ in range(4))
    return Visit(
        visited_at_ms=at_ms,
        domain=f"{word()}.com",
        ip=address.rpartition(".")[0] + ".0/24" if cookieless else address,
        country=CHANCE.choice(COUNTRIES),
        region=CHANCE.choice((None, CHANCE.choice(REGIONS))),
        city=CHANCE.choice((None, CHANCE.choice(CITIES))),
        asn=CHANCE.choice((None, CHANCE.randrange(100, 60000))),
        isp=CHANCE.choice((None, CHANCE.choice(NETWORKS))),
        connection=CHANCE.choice((None, "broadband", "cellular")),
        **flag,
        user_agent=f"{browser} on {system}" if cookieless else text,
        device=device,  # type: ignore[arg-type]
        brand=CHANCE.choice((None, "Apple", "Samsung", "Google", "Xiaomi")),
        model=CHANCE.choice((None, "iPhone", "iPad", "SM-A546B", "Pixel 9")),
        os=system,
        os_version=CHANCE.choice((None, f"{CHANCE.randrange(10, 27)}.{CHANCE.randrange(8)}", "14", "11")),
        browser=browser,
        browser_version=f"{CHANCE.randrange(16, 150)}.{CHANCE.choice((0, 0, 0, 1, 2, 3))}",
        language=CHANCE.choice(("en", "en", "en", "de", "fr", "es", "pt", "hi", "it", "pl", None)),
        referrer=CHANCE.choice((None, f"https://{site}/{word()}/{word()}", f"https://{site}/{word()}/{CHANCE.randrange(5000)}", f"https://{site}/", "https://www.facebook.com/", "https://www.google.com/")),
        referrer_domain=CHANCE.choice((None, site)),
        external_id=external,
        subs={"sub1": params[next(n for n in params if n in ("site", "zone", "placement"))], "sub2": word(), "sub3": str(CHANCE.randrange(10**6))},
        params=params,
        traffic=CHANCE.choice(("human",) * 9 + ("bot", "suspect")),  # type: ignore[arg-type]
        bot=None,
        reasons=CHANCE.choice(((),) * 9 + (("ua_bot",), ("net_datacenter",), ("headers_missing",), ("duplicate",), ("ua_empty",))),
        visitor="%032x" % CHANCE.getrandbits(128),
        browser_id=None if cookieless else "%032x" % CHANCE.getrandbits(128),
        visit_number=CHANCE.choice((0, 0, 0, 1, 2)),
        unique_campaign=CHANCE.random() < 0.8,
        unique_workspace=CHANCE.random() < 0.8,
        consent=CHANCE.choice(("unknown", "unknown", "granted", "denied")),  # type: ignore[arg-type]
        gpc=CHANCE.random() < 0.1,
        mode="cookieless" if cookieless else "full",
        converted=CHANCE.random() < 0.05,
        data=data(),
    )  # fmt: skip


def data() -> dict[str, str]:
    """What judged, with its builds."""
    build = f"2026-{CHANCE.randrange(1, 13):02}-{CHANCE.randrange(1, 29):02}"
    iptocc = f"3.{CHANCE.randrange(9)}.{CHANCE.randrange(200)}"
    return CHANCE.choice(({"iptocc": iptocc}, {"iptocc": iptocc}, {"iptocc": iptocc, "city": build, "asn": build}))


def click() -> Click:
    at_ms = CHANCE.randrange(1_767_000_000_000, 1_799_000_000_000)
    return Click(
        click_id=ClickId(new_id(at_ms, CHANCE.randbytes(8))),
        clicked_at_ms=at_ms,
        campaign=CampaignId(word()),
        source=word(),  # type: ignore[arg-type]
        flow=CHANCE.choice((word(), "rest", None)),  # type: ignore[arg-type]
        lander=CHANCE.choice((None, word())),  # type: ignore[arg-type]
        offer=OfferId(word()),
        network=CHANCE.choice((None, word())),  # type: ignore[arg-type]
        action=CHANCE.choice(("redirect", "redirect", "redirect", "page", "status")),  # type: ignore[arg-type]
        filter=CHANCE.choice((None, None, None, "standard")),  # type: ignore[arg-type]
        destination_check="%08x" % CHANCE.getrandbits(32),
        cost_micros=CHANCE.choice((None, CHANCE.randrange(1, 200) * 1000, CHANCE.randrange(100000))),
        currency=CHANCE.choice(("USD", "USD", "EUR")),
        config_version=CHANCE.randrange(1, 100),
        witness=CHANCE.choice((0, 0, 1, 2, 5)),
        visit=visit(at_ms),
    )


def event() -> LanderClick | ConversionChange:
    at_ms = CHANCE.randrange(1_767_000_000_000, 1_799_000_000_000)
    if CHANCE.random() < 0.4:
        return LanderClick(at_ms=at_ms, offer=OfferId(word()), found_by=CHANCE.choice(("cid", "cookie", "visitor")))  # type: ignore[arg-type]
    return ConversionChange(
        conversion_id=ConversionId(new_id(at_ms, CHANCE.randbytes(8))),
        at_ms=at_ms,
        status=CHANCE.choice(("lead", "sale", "rejected")),  # type: ignore[arg-type]
        status_word=CHANCE.choice((None, "approved", "1", "pending", "declined")),
        event=CHANCE.choice((None, None, "deposit", "rebill", "trial")),
        payout_micros=CHANCE.randrange(1, 9000) * 10_000,
        currency=CHANCE.choice(("USD", "EUR")),
        txid=CHANCE.choice((None, "%x" % CHANCE.getrandbits(48))),
        network=word(),  # type: ignore[arg-type]
    )


def main() -> None:
    samples = [msgspec.json.encode(click()) for _ in range(20_000)] + [
        msgspec.json.encode(event()) for _ in range(1500)
    ]
    CHANCE.shuffle(samples)
    dictionary = zstandard.train_dictionary(8_192, samples, dict_id=1, level=3)
    target = Path(__file__).parent.parent / "tnc" / "store" / "keys" / "records.dictionary"
    target.write_bytes(dictionary.as_bytes())
    compressor = zstandard.ZstdCompressor(dict_data=dictionary, level=3)
    fresh = [msgspec.json.encode(click()) for _ in range(2000)]
    packed = [compressor.compress(each) for each in fresh]
    print(f"{target.name}: {sum(map(len, fresh)) / 2000:.0f} -> {sum(map(len, packed)) / 2000:.0f} bytes a click")


if __name__ == "__main__":
    main()
