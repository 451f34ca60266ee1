"""config.toml: where it is found, how it is read and refused, and that writing and reading agree."""

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.errors import InvalidError, RefusedError
from tnc.core.formats import ListenAddress, parse_listen_address
from tnc.core.models import Mode
from tnc.core.settings import SETTINGS, Settings, closed_secret, find, load, read_setting, render, resolve_secret

ROOT = Path(__file__).parents[2]
SERVER = Settings(data=Path("/var/lib/tnc"), key=Path("/etc/tnc/key"))


def config(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str, **environment: str) -> str:
    file = config(folder, text)
    with pytest.raises(InvalidError) as refused:
        load(file, environment=environment)
    return str(refused.value).replace(str(file), "config.toml")


# ------------------------------------------------------------------------------------------------ finding


def test_the_named_file_comes_before_the_environment_and_the_folder(tmp_path: Path) -> None:
    here = config(tmp_path, "")
    environment = {"TNC_CONFIG": "/srv/other.toml"}

    assert find("mine.toml", environment=environment, folder=tmp_path) == tmp_path / "mine.toml"
    assert find(None, environment=environment, folder=tmp_path) == Path("/srv/other.toml")
    assert find(None, environment={}, folder=tmp_path) == here


def test_without_any_file_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    if Path("/etc/tnc/config.toml").exists():
        pytest.skip("tnc is installed on this machine")
    with pytest.raises(InvalidError) as refused:
        find(None, environment={}, folder=tmp_path)

    assert str(refused.value) == (
        "there is no config.toml here and no /etc/tnc/config.toml;"
        " name one with --config FILE, or make one with `tnc init --data DIR`."
    )


# ------------------------------------------------------------------------------------------------ reading


def test_a_file_without_settings_gives_the_defaults_and_a_key_beside_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()

    settings = load(config(folder, 'listen = "127.0.0.1:8080"\n'), environment={})

    assert settings == Settings(data=folder, key=tmp_path / "data.key")
    assert settings.listen == ListenAddress(host="127.0.0.1", port=8080)
    assert settings.dashboard == ListenAddress(host="127.0.0.1", port=8400)


def test_every_setting_is_read(tmp_path: Path) -> None:
    file = config(
        tmp_path,
        """
        data = "store"
        key = "/run/key"
        listen = "[::]:80"
        dashboard = "localhost:0"
        trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
        currency = "EUR"
        rates = { USD = 0.92, JPY = 1 }
        rates_file = "rates.csv"
        [domains]
        default = "go.example.com"
        [outbound]
        allow_hosts = ["crm.internal", "10.0.0.7:8443", "[::1]:9000", "::1"]
        retry_scale = 0.001
        [addresses]
        renew = false
        base_url = "https://mirror.example/geo"
        maxmind_account = "123456"
        maxmind_key = "file:/etc/tnc/maxmind"
        ipinfo_token = "env:IPINFO"
        [mail]
        host = "smtp.example"
        port = 465
        tls = "tls"
        ca_file = "ca.pem"
        user = "tnc"
        password = "file:/etc/tnc/mail"
        from = "tnc@example.com"
        to = ["ada@example.com", "bob@example.com"]
        [privacy]
        default_mode_elsewhere = "limited"
        [retention]
        clicks_days = 30
        rollups_days = 400
        support_days = 100
        """,
    )

    assert load(file, environment={"TNC_LOG_LEVEL": "DEBUG"}) == Settings(
        data=tmp_path / "store",
        key=Path("/run/key"),
        listen=ListenAddress(host="::", port=80),
        dashboard=ListenAddress(host="localhost", port=0),
        trusted_proxies=("10.0.0.0/8", "2001:db8::1"),
        currency="EUR",
        rates={"USD": 0.92, "JPY": 1.0},
        rates_file=str(tmp_path / "rates.csv"),
        domains_default="go.example.com",
        allow_hosts=("crm.internal", "10.0.0.7:8443", "[::1]:9000", "::1"),
        retry_scale=0.001,
        renew=False,
        base_url="https://mirror.example/geo",
        maxmind_account="123456",
        maxmind_key="file:/etc/tnc/maxmind",
        ipinfo_token="env:IPINFO",
        mail_host="smtp.example",
        mail_port=465,
        mail_tls="tls",
        mail_ca_file=str(tmp_path / "ca.pem"),
        mail_user="tnc",
        mail_password="file:/etc/tnc/mail",
        mail_from="tnc@example.com",
        mail_to=("ada@example.com", "bob@example.com"),
        default_mode_elsewhere="limited",
        clicks_days=30,
        rollups_days=400,
        support_days=100,
        log_level="debug",
    )


LISTEN = 'an address and a port like "127.0.0.1:8080" or "[::]:8080"'
PROXY = 'an address or a network like "10.0.0.0/8"'
RATE = "a number above 0, up to 1000000000"
RECEIVER = 'a host like "crm.internal" or "10.0.0.7:8443"'
BASE_URL = 'a URL like "https://mirror.example/geo", or "" for none'
SECRET = 'where the secret is, like "file:/etc/tnc/secret" or "env:NAME", or "" for none'
SENDER = 'an e-mail address like "tnc@example.com", or "" for none'
RECIPIENT = 'an e-mail address like "ada@example.com"'
DAYS = "a whole number from 1 to 3653"
KNOWN = (
    "Known: data, key, listen, dashboard, trusted_proxies, currency, rates, rates_file, [domains] default,"
    " [outbound] allow_hosts, [outbound] retry_scale, [addresses] renew, [addresses] base_url,"
    " [addresses] maxmind_account, [addresses] maxmind_key, [addresses] ipinfo_token, [mail] host, [mail] port,"
    " [mail] tls, [mail] ca_file, [mail] user, [mail] password, [mail] from, [mail] to,"
    " [privacy] default_mode_elsewhere, [retention] clicks_days, [retention] rollups_days, [retention] support_days."
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('lisen = "127.0.0.1:80"', f"lisen is not known; did you mean listen? {KNOWN}"),
        ("colour = 1", f"colour is not known. {KNOWN}"),
        ("clicks_days = 3", "clicks_days is not known here; did you mean [retention] clicks_days?"),
        ('[outbound]\nlisten = "x"', "[outbound] listen is not known here; did you mean listen?"),
        (
            "[retention]\nclick_days = 3",
            f"[retention] click_days is not known; did you mean [retention] clicks_days? {KNOWN}",
        ),
        ("retention = 3", "retention must be a table: [retention]."),
        ("data = 3", "data must be a path in quotes, not 3."),
        ('key = ""', 'key must be a path in quotes, not "".'),
        ('listen = "8080"', f'listen must be {LISTEN}, not "8080".'),
        ('listen = ":8080"', f'listen must be {LISTEN}, not ":8080".'),
        ('listen = "127.0.0.1:70000"', f'listen must be {LISTEN}, not "127.0.0.1:70000".'),
        ('dashboard = "[zz]:80"', f'dashboard must be {LISTEN}, not "[zz]:80".'),
        ('dashboard = "[1:2]:80"', f'dashboard must be {LISTEN}, not "[1:2]:80".'),
        ("dashboard = 8400", f"dashboard must be {LISTEN}, not 8400."),
        ('trusted_proxies = "10.0.0.0/8"', f'trusted_proxies must be a list, each {PROXY}, not "10.0.0.0/8".'),
        ('trusted_proxies = ["::1", "all"]', f'trusted_proxies[1] must be {PROXY}, not "all".'),
        (
            'rates = "1.08"',
            f'rates must be a table; keys: a currency of ISO 4217; values: {RATE}, not "1.08".',
        ),
        ("rates = { XXX = 1 }", 'rates.XXX is not a key here; it must be a currency of ISO 4217, not "XXX".'),
        ('rates = { EUR = "1" }', f'rates.EUR must be {RATE}, not "1".'),
        ("rates = { EUR = 0 }", f"rates.EUR must be {RATE}, not 0."),
        ("rates = { EUR = inf }", f"rates.EUR must be {RATE}, not inf."),
        ("rates = { EUR = true }", f"rates.EUR must be {RATE}, not true."),
        (
            'currency = "usd"',
            'currency must be a currency of ISO 4217 like USD, in capitals, not "usd"; did you mean "USD"?',
        ),
        (
            '[outbound]\nallow_hosts = ["http://crm.internal"]',
            f'[outbound] allow_hosts[0] must be {RECEIVER}, not "http://crm.internal".',
        ),
        (
            '[outbound]\nallow_hosts = ["10.0.0.0/8"]',
            f'[outbound] allow_hosts[0] must be {RECEIVER}, not "10.0.0.0/8".',
        ),
        ("[outbound]\nretry_scale = -1", "[outbound] retry_scale must be a number from 0 to 1000, not -1."),
        ("[outbound]\nretry_scale = nan", "[outbound] retry_scale must be a number from 0 to 1000, not nan."),
        ("[outbound]\nretry_scale = true", "[outbound] retry_scale must be a number from 0 to 1000, not true."),
        ("[addresses]\nrenew = 1", "[addresses] renew must be true or false, not 1."),
        *(
            (f'[addresses]\nbase_url = "{url}"', f'[addresses] base_url must be {BASE_URL}, not "{url}".')
            for url in (
                "mirror.example",
                "ftp://mirror.example",
                "https://",
                "https://me:pw@mirror.example",
                "http://[",
            )
        ),
        ('[addresses]\nmaxmind_key = "0123456789"', f"[addresses] maxmind_key must be {SECRET}."),
        (
            "[addresses]\nmaxmind_account = 7",
            '[addresses] maxmind_account must be a text like "123456", or "" for none, not 7.',
        ),
        ('[mail]\nhost = "a b"', '[mail] host must be a host like "smtp.example", or "" for none, not "a b".'),
        ("[mail]\nport = 0", "[mail] port must be a whole number from 1 to 65535, not 0."),
        ('[mail]\ntls = "none"', '[mail] tls must be "starttls" or "tls", not "none".'),
        ('[mail]\npassword = "s3cret"', f"[mail] password must be {SECRET}."),
        *(
            (f'[mail]\nfrom = "{text}"', f'[mail] from must be {SENDER}, not "{text}".')
            for text in ("ada", "Ada <a@b.example>", "a@b.example, c@d.example")
        ),
        (
            '[mail]\nfrom = "a@b.example\\nBcc: x@y.example"',
            '[mail] from holds a control character: "a@b.example\\nBcc: x@y.example".',
        ),
        ('[mail]\nto = "a@b.example"', f'[mail] to must be a list, each {RECIPIENT}, not "a@b.example".'),
        ('[mail]\nhost = "smtp.example"', "[mail] host needs [mail] from and to: the sender and the recipients."),
        (
            '[privacy]\ndefault_mode_elsewhere = "all"',
            '[privacy] default_mode_elsewhere must be "full", "limited", "cookieless" or "none", not "all".',
        ),
        ("[retention]\nclicks_days = 0", f"[retention] clicks_days must be {DAYS}, not 0."),
        ("[retention]\nrollups_days = 4000", f"[retention] rollups_days must be {DAYS}, not 4000."),
        ("[retention]\nsupport_days = 1.5", f"[retention] support_days must be {DAYS}, not 1.5."),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(tmp_path, text) == f"config.toml cannot be used.\nconfig.toml: {sentence}"


@given(
    st.sampled_from(("", "[outbound]", "[mail]", "[retention]")),
    st.from_regex(r"[a-z][a-z_]{0,30}", fullmatch=True).filter(
        lambda name: all(name not in place.replace("]", "").replace("[", "").split() for place in SETTINGS)
    ),
)
def test_an_unknown_key_is_refused_by_its_name(
    tmp_path_factory: pytest.TempPathFactory, section: str, name: str
) -> None:
    folder = tmp_path_factory.mktemp("any")

    first, line = refusal(folder, f"{section}\n{name} = 1\n").split("\n")

    assert first == "config.toml cannot be used."
    assert line.startswith(f"config.toml: {section} {name} is not known".replace(":  ", ": "))


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"CREDENTIALS_DIRECTORY": "/run/credentials/other.service"}, "/run/credentials/other.service/tnc-key"),
        ({}, "/run/credentials/tnc.service/tnc-key"),
    ],
    ids=["in the service", "beside it"],
)
def test_a_credential_is_in_the_directory_of_systemd(tmp_path: Path, environment: dict[str, str], file: str) -> None:
    settings = load(config(tmp_path, 'key = "credential:tnc-key"\n'), environment=environment)

    assert settings.key == Path(file)
    assert load(config(tmp_path, 'key = "credential:../../etc/key"\n'), environment=environment).key.name == "key"


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "data = 1\nlisten = 2\ncolor = 3", TNC_LOG_LEVEL="loud")

    assert message.splitlines() == [
        "config.toml cannot be used.",
        f"config.toml: color is not known. {KNOWN}",
        'config.toml: the environment variable TNC_LOG_LEVEL must be "debug", "info", "warning" or "error".',
        "config.toml: data must be a path in quotes, not 1.",
        f"config.toml: listen must be {LISTEN}, not 2.",
    ]


def test_what_is_not_toml_is_refused_with_line_and_column(tmp_path: Path) -> None:
    assert refusal(tmp_path, "data = \n") == "config.toml is not TOML: line 1, column 8: Invalid value."
    assert refusal(tmp_path, "data = " + "[" * 100_000) == "config.toml is nested too deeply."
    (tmp_path / "config.toml").write_bytes("data = 'ä'".encode("latin-1"))
    with pytest.raises(InvalidError, match="is not text in UTF-8; save it as UTF-8"):
        load(tmp_path / "config.toml", environment={})


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    assert load(config(tmp_path, '\ufeffcurrency = "EUR"'), environment={}).currency == "EUR"


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as refused:
        load(tmp_path / "none.toml", environment={})

    assert str(refused.value) == (
        f"{tmp_path}/none.toml cannot be read (No such file or directory);"
        " name another with --config FILE or make one with `tnc init`."
    )


def test_settings_of_older_versions_are_ignored_and_named(tmp_path: Path) -> None:
    file = config(tmp_path, '[retention]\nlogs_days = 7\nclicks_days = 30\nbilling_days = "x"\naccounts_days = 1\n')

    settings = load(file, environment={})

    assert settings.clicks_days == 30
    assert settings.ignored == ("[retention] logs_days", "[retention] billing_days", "[retention] accounts_days")


def test_a_value_of_a_command_is_refused_by_the_name_of_its_option() -> None:
    with pytest.raises(InvalidError) as refused:
        read_setting("listen", "8080", called="--listen")

    assert str(refused.value) == f'--listen must be {LISTEN}, not "8080".'
    assert read_setting("[retention] clicks_days", 7, called="clicks") == 7


@pytest.mark.parametrize("at", [round(each / 19, 3) for each in range(20)])
def test_a_file_that_was_cut_off_is_refused_and_not_filled_with_defaults(tmp_path: Path, at: float) -> None:
    whole = render(SERVER, Path("/etc/tnc")).rstrip("\n")
    cut = whole[: min(int(len(whole) * at), len(whole) - 1)]

    with pytest.raises(InvalidError) as refused:
        load(config(tmp_path, cut), environment={})

    words = str(refused.value)
    assert "is cut off" in words or "is empty" in words or "is not TOML" in words
    assert load(config(tmp_path, whole), environment={}).data == SERVER.data


def test_a_file_that_was_cut_off_at_the_end_of_a_line_is_refused(tmp_path: Path) -> None:
    lines = render(SERVER, Path("/etc/tnc")).splitlines(keepends=True)

    for number in range(2, len(lines)):
        with pytest.raises(InvalidError, match="is cut off"):
            load(config(tmp_path, "".join(lines[:number]).rstrip("\n") + "\n"), environment={})


def test_a_last_section_that_was_written_anew_needs_no_last_line(tmp_path: Path) -> None:
    text = render(SERVER, Path("/etc/tnc")).partition("[retention]")[0]

    assert load(config(tmp_path, f"{text}\n[retention]\nclicks_days = 7\n"), environment={}).clicks_days == 7


# ------------------------------------------------------------------------------------------------ writing


def test_the_example_file_is_written_from_the_settings() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == render(SERVER, Path("/etc/tnc"))


def test_the_example_without_its_comment_marks_gives_the_defaults(tmp_path: Path) -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in example.splitlines() if not line.startswith("# ") or " = " in line]

    settings = load(config(tmp_path, "\n".join(lines)), environment={})

    assert settings == Settings(data=Path("/var/lib/tnc"), key=tmp_path / "key")
    assert sum(" = " in line for line in lines) == len(SETTINGS)


def test_a_data_directory_and_the_key_beside_it_can_be_moved_together(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    settings = Settings(data=before / "data", key=before / "data.key")
    text = render(settings, before / "data")
    (after / "data").mkdir(parents=True)

    assert load(config(after / "data", text), environment={}) == Settings(data=after / "data", key=after / "data.key")


hosts = st.sampled_from(("localhost", "tracker.example", "10.0.0.7", "::1"))
addresses = st.builds(ListenAddress, host=hosts, port=st.integers(0, 65535))
files = st.sampled_from(("", "/srv/a file.csv", "/srv/ä.pem"))
references = st.sampled_from(("", "env:NAME", "file:/etc/tnc/a secret"))
mailboxes = st.sampled_from(("ada@example.com", "o'neil+tnc@mail.example"))
days = st.integers(1, 3653)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "listen": addresses,
    "dashboard": addresses,
    "trusted_proxies": st.lists(st.sampled_from(("10.0.0.0/8", "::1"))).map(tuple),
    "currency": st.sampled_from(("USD", "EUR")),
    "rates": st.dictionaries(
        st.sampled_from(("EUR", "GBP", "JPY")), st.floats(0, 1_000_000_000, exclude_min=True, allow_subnormal=False)
    ),
    "rates_file": files,
    "domains_default": st.sampled_from(("", "go.example.com")),
    "allow_hosts": st.lists(hosts).map(tuple),
    "retry_scale": st.floats(0, 1000).map(abs),
    "renew": st.booleans(),
    "base_url": st.sampled_from(("", "https://mirror.example/geo")),
    "maxmind_account": st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    "maxmind_key": references,
    "ipinfo_token": references,
    "mail_host": st.just("") | hosts,
    "mail_port": st.integers(1, 65535),
    "mail_tls": st.sampled_from(("starttls", "tls")),
    "mail_ca_file": files,
    "mail_user": st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    "mail_password": references,
    "mail_from": mailboxes,
    "mail_to": st.lists(mailboxes, min_size=1).map(tuple),
    "default_mode_elsewhere": st.sampled_from(get_args(Mode)),
    "clicks_days": days,
    "rollups_days": days,
    "support_days": days,
}


@given(st.fixed_dictionaries({}, optional=VALUES), st.sampled_from(("../near.key", "/etc/tnc/key", "key")))
def test_every_setting_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any], key: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    if values.get("mail_host"):
        values |= {"mail_from": "tnc@example.com", "mail_to": ("ada@example.com",)}
    settings = Settings(data=folder, key=(folder / key).resolve(), **values)

    assert load(config(folder, render(settings, folder)), environment={}) == settings


def test_the_law_above_knows_every_setting() -> None:
    assert [key.field for key in SETTINGS.values()] == ["data", "key", *VALUES]
    assert {each.name for each in fields(Settings)} == {"data", "key", *VALUES, "log_level", "ignored"}


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:8080", "localhost:80", "tracker.example:65535"])
def test_a_listen_address_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_listen_address(text)) == text


# ------------------------------------------------------------------------------------------------ secrets


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")

    assert resolve_secret("env:META_TOKEN", environment={"META_TOKEN": "abc"}) == "abc"
    assert resolve_secret(f"file:{tmp_path}/token", environment={}) == "t0ken"
    assert resolve_secret("env: META_TOKEN ", environment={"META_TOKEN": "abc"}) == "abc"
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbft0ken\n")
    assert resolve_secret(f"file: {tmp_path}/marked", environment={}) == "t0ken"


def test_a_missing_secret_is_refused_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    cases = {
        "env:META_TOKEN": "the environment variable META_TOKEN is not set or empty",
        f"file:{tmp_path}/none": f"{tmp_path}/none cannot be read (No such file or directory)",
        f"file:{tmp_path}/bytes": f"{tmp_path}/bytes is not text",
        "file:/dev/zero": "/dev/zero is larger than 10000 bytes; a secret is short",
    }
    for reference, sentence in cases.items():
        with pytest.raises(InvalidError) as refused:
            resolve_secret(reference, environment={})
        assert str(refused.value) == sentence


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t0ken\n", encoding="utf-8")
    file.chmod(0o600)

    assert closed_secret(f"file:{file}") == "t0ken"
    file.chmod(0o640)
    with pytest.raises(RefusedError, match=f"type: chmod 600 {file}"):
        closed_secret(f"file:{file}")


def test_every_setting_is_used_somewhere() -> None:
    """Settings that are saved and never read were a fault of another tracker."""
    program = "".join(file.read_text() for file in (ROOT / "tnc").rglob("*.py") if file.name != "settings.py")
    names = [key.field for key in SETTINGS.values()]

    assert [name for name in names if f"settings.{name}" not in program and f'setting="{name}"' not in program] == []
