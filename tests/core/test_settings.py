"""The appliance's settings are found, read, refused and written as the contract says."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tnc.core.errors import InvalidError
from tnc.core.setting_types import Address, read_address
from tnc.core.settings import DEFAULTS, SETTINGS, Settings, find, load, render, resolve_secret

ROOT = Path(__file__).parents[2]
SERVER = Settings(data=Path("/var/lib/tnc"), key=Path("/etc/tnc/key"))


def written(folder: Path, text: str) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str, **environment: str) -> str:
    file = written(folder, text)
    with pytest.raises(InvalidError) as refused:
        load(file, environment=environment)
    return str(refused.value).replace(str(file), "config.toml")


# ------------------------------------------------------------------------------------------------ finding


def test_the_file_is_the_named_one_then_the_environment_s_then_the_one_here(tmp_path: Path) -> None:
    here = written(tmp_path, "")
    environment = {"TNC_CONFIG": "/srv/other.toml"}

    assert find("mine.toml", environment=environment, folder=tmp_path) == tmp_path / "mine.toml"
    assert find(None, environment=environment, folder=tmp_path) == Path("/srv/other.toml")
    assert find(None, environment={}, folder=tmp_path) == here


def test_without_any_file_it_says_how_to_make_one(tmp_path: Path) -> None:
    if Path("/etc/tnc/config.toml").exists():
        pytest.skip("tnc is installed on this machine")
    with pytest.raises(InvalidError) as refused:
        find(None, environment={}, folder=tmp_path)

    assert str(refused.value) == (
        "there is no config.toml here and no /etc/tnc/config.toml;"
        " name one with --config FILE, or make one with `tnc init --data DIR`."
    )


# ------------------------------------------------------------------------------------------------ reading


def test_an_empty_file_means_the_defaults_and_a_key_beside_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()

    settings = load(written(folder, ""), environment={})

    assert settings == Settings(data=folder, key=tmp_path / "data.key")
    assert settings.listen == Address(host="127.0.0.1", port=8080)
    assert settings.dashboard == Address(host="127.0.0.1", port=8400)


def test_every_setting_is_read(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        data = "store"
        key = "/run/key"
        listen = "[::]:80"
        dashboard = "localhost:0"
        trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
        currency = "EUR"
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
        listen=Address(host="::", port=80),
        dashboard=Address(host="localhost", port=0),
        trusted_proxies=("10.0.0.0/8", "2001:db8::1"),
        currency="EUR",
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
KNOWN = (
    "Known: data, key, listen, dashboard, trusted_proxies, currency, rates, rates_file, [outbound] allow_hosts,"
    " [outbound] retry_scale, [addresses] renew, [addresses] base_url, [addresses] maxmind_account,"
    " [addresses] maxmind_key, [addresses] ipinfo_token, [mail] host, [mail] port, [mail] tls, [mail] ca_file,"
    " [mail] user, [mail] password, [mail] from, [mail] to, [privacy] default_mode_elsewhere, [retention] clicks_days,"
    " [retention] rollups_days, [retention] support_days."
)
BASE_URL = 'an address like "https://mirror.example/geo", or "" for the publishers\' own'
SECRET = 'where the secret is, like "file:/etc/tnc/secret" or "env:NAME", or "" for none'


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
        ("data = 3", "data must be a path in quotes."),
        ('key = ""', "key must be a path in quotes."),
        ('listen = "8080"', f"listen must be {LISTEN}."),
        ('listen = ":8080"', f"listen must be {LISTEN}."),
        ('listen = "127.0.0.1:70000"', f"listen must be {LISTEN}."),
        ('dashboard = "[zz]:80"', f"dashboard must be {LISTEN}."),
        ('dashboard = "[1:2]:80"', f"dashboard must be {LISTEN}."),
        ("dashboard = 8400", f"dashboard must be {LISTEN}."),
        (
            'trusted_proxies = "10.0.0.0/8"',
            'trusted_proxies must be a list of addresses or networks like "10.0.0.0/8".',
        ),
        ('trusted_proxies = ["all"]', 'trusted_proxies must be a list of addresses or networks like "10.0.0.0/8".'),
        *(
            (f"rates = {text}", "rates must be a table of currencies and numbers above 0, like { EUR = 1.08 }.")
            for text in ("1.08", "{ XXX = 1 }", '{ EUR = "1" }', "{ EUR = 0 }", "{ EUR = inf }", "{ EUR = true }")
        ),
        ('currency = "usd"', "currency must be a currency of ISO 4217 like USD, in capitals."),
        (
            '[outbound]\nallow_hosts = ["http://crm.internal"]',
            '[outbound] allow_hosts must be a list of hosts like "crm.internal" or "10.0.0.7:8443".',
        ),
        (
            '[outbound]\nallow_hosts = ["10.0.0.0/8"]',
            '[outbound] allow_hosts must be a list of hosts like "crm.internal" or "10.0.0.7:8443".',
        ),
        ("[outbound]\nretry_scale = -1", "[outbound] retry_scale must be a number from 0 to 1000."),
        ("[outbound]\nretry_scale = nan", "[outbound] retry_scale must be a number from 0 to 1000."),
        ("[outbound]\nretry_scale = true", "[outbound] retry_scale must be a number from 0 to 1000."),
        ("[addresses]\nrenew = 1", "[addresses] renew must be true or false."),
        *(
            (f'[addresses]\nbase_url = "{url}"', f"[addresses] base_url must be {BASE_URL}.")
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
            '[addresses] maxmind_account must be a text like "123456", or "" for none.',
        ),
        ('[mail]\nhost = "a b"', '[mail] host must be a host like "smtp.example", or "" for none.'),
        ("[mail]\nport = 0", "[mail] port must be a port from 1 to 65535."),
        ('[mail]\ntls = "none"', "[mail] tls must be one of starttls, tls."),
        ('[mail]\npassword = "s3cret"', f"[mail] password must be {SECRET}."),
        *(
            (f'[mail]\nfrom = "{text}"', '[mail] from must be an address like "tnc@example.com", or "" for none.')
            for text in ("ada", "Ada <a@b.example>", "a@b.example, c@d.example", "a@b.example\\nBcc: x@y.example")
        ),
        ('[mail]\nto = "a@b.example"', '[mail] to must be a list of addresses like "ada@example.com".'),
        (
            '[mail]\nhost = "smtp.example"',
            "[mail] host needs [mail] from and to: who mails come from, and who gets them.",
        ),
        (
            '[privacy]\ndefault_mode_elsewhere = "all"',
            "[privacy] default_mode_elsewhere must be one of full, limited, cookieless, none.",
        ),
        ("[retention]\nclicks_days = 0", "[retention] clicks_days must be a whole number of days from 1 to 3653."),
        ("[retention]\nrollups_days = 4000", "[retention] rollups_days must be a whole number of days from 1 to 3653."),
        ("[retention]\nsupport_days = 1.5", "[retention] support_days must be a whole number of days from 1 to 3653."),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(tmp_path, text) == f"config.toml cannot be used.\nconfig.toml: {sentence}"


@pytest.mark.parametrize(
    ("environment", "file"),
    [
        ({"CREDENTIALS_DIRECTORY": "/run/credentials/other.service"}, "/run/credentials/other.service/tnc-key"),
        ({}, "/run/credentials/tnc.service/tnc-key"),
    ],
    ids=["in the service", "beside it"],
)
def test_a_credential_lies_where_systemd_puts_it(tmp_path: Path, environment: dict[str, str], file: str) -> None:
    settings = load(written(tmp_path, 'key = "credential:tnc-key"\n'), environment=environment)

    assert settings.key == Path(file)
    assert load(written(tmp_path, 'key = "credential:../../etc/key"\n'), environment=environment).key.name == "key"


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "data = 1\nlisten = 2", TNC_LOG_LEVEL="loud")

    assert told.splitlines() == [
        "config.toml cannot be used.",
        "config.toml: data must be a path in quotes.",
        f"config.toml: listen must be {LISTEN}.",
        "config.toml: the environment variable TNC_LOG_LEVEL must be one of debug, info, warning, error.",
    ]


def test_what_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert refusal(tmp_path, "data = \n") == "config.toml is not TOML: Invalid value (at line 1, column 8)."
    assert refusal(tmp_path, "data = " + "[" * 100_000).startswith("config.toml is not TOML: ")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as refused:
        load(tmp_path / "none.toml", environment={})

    assert str(refused.value) == (
        f"{tmp_path}/none.toml cannot be read (No such file or directory);"
        " name another with --config FILE or make one with `tnc init`."
    )


def test_settings_of_older_versions_are_ignored_and_named(tmp_path: Path) -> None:
    file = written(tmp_path, '[retention]\nlogs_days = 7\nclicks_days = 30\nbilling_days = "x"\naccounts_days = 1\n')

    settings = load(file, environment={})

    assert settings.clicks_days == 30
    assert settings.ignored == ("[retention] logs_days", "[retention] billing_days", "[retention] accounts_days")


# ------------------------------------------------------------------------------------------------ writing


def test_the_example_file_is_what_the_settings_say() -> None:
    assert (ROOT / "config.example.toml").read_text(encoding="utf-8") == render(SERVER, Path("/etc/tnc"))


def test_the_example_without_its_comment_marks_is_the_defaults(tmp_path: Path) -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    lines = [line.removeprefix("# ") for line in example.splitlines() if not line.startswith("# ") or " = " in line]

    settings = load(written(tmp_path, "\n".join(lines)), environment={})

    assert {name: getattr(settings, name) for name in DEFAULTS} == DEFAULTS
    assert all(f"{setting.name or key} = " in "\n".join(lines) for key, setting in SETTINGS.items())


def test_a_data_directory_and_the_key_beside_it_may_move_together(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    settings = Settings(data=before / "data", key=before / "data.key")
    text = render(settings, before / "data")
    (after / "data").mkdir(parents=True)

    assert load(written(after / "data", text), environment={}) == Settings(data=after / "data", key=after / "data.key")


addresses = st.builds(
    Address, host=st.sampled_from(("127.0.0.1", "::", "::1", "localhost", "0.0.0.0")), port=st.integers(0, 65535)
)


@given(
    st.builds(
        Settings,
        data=st.just(Path("/srv/tnc")),
        key=st.sampled_from((Path("/srv/tnc.key"), Path("/etc/tnc/key"), Path("/srv/tnc/key"))),
        listen=addresses,
        dashboard=addresses,
        trusted_proxies=st.lists(st.sampled_from(("10.0.0.0/8", "::1")), max_size=2).map(tuple),
        currency=st.sampled_from(("USD", "EUR")),
        rates=st.sampled_from(((), (("EUR", 1.08), ("GBP", 0.0000127)))),
        allow_hosts=st.lists(st.sampled_from(("localhost", "10.0.0.7:80")), max_size=2).map(tuple),
        retry_scale=st.floats(0, 1000),
        default_mode_elsewhere=st.sampled_from(("full", "none")),
        clicks_days=st.integers(1, 3653),
        support_days=st.integers(1, 3653),
    )
)
def test_what_is_rendered_is_read_back(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    # The file does not lie where it was rendered for, so its paths are compared from there.
    folder = tmp_path_factory.mktemp("any")
    text = render(settings, Path("/srv/tnc")).replace('data = "."', 'data = "/srv/tnc"')
    text = text.replace('key = "../tnc.key"', 'key = "/srv/tnc.key"').replace('key = "key"', 'key = "/srv/tnc/key"')

    assert load(written(folder, text), environment={}) == settings


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:8080", "localhost:80", "tracker.example:65535"])
def test_an_address_is_written_as_it_was_read(text: str) -> None:
    assert str(read_address(text)) == text


# ------------------------------------------------------------------------------------------------ secrets


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")

    assert resolve_secret("env:META_TOKEN", environment={"META_TOKEN": "abc"}) == "abc"
    assert resolve_secret(f"file:{tmp_path}/token", environment={}) == "t0ken"


def test_a_secret_that_is_not_there_is_refused_by_its_place(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    cases = {
        "env:META_TOKEN": "the environment variable META_TOKEN is not set or empty",
        f"file:{tmp_path}/none": f"{tmp_path}/none cannot be read (No such file or directory)",
        f"file:{tmp_path}/bytes": f"{tmp_path}/bytes is not text",
    }
    for reference, sentence in cases.items():
        with pytest.raises(InvalidError) as refused:
            resolve_secret(reference, environment={})
        assert str(refused.value) == sentence


def test_every_setting_is_used_somewhere() -> None:
    """Settings that are saved and never read were a fault of another tracker."""
    program = "".join(file.read_text() for file in (ROOT / "tnc").rglob("*.py") if file.name != "settings.py")

    assert [name for name in SETTINGS if f"settings.{name}" not in program and f'setting="{name}"' not in program] == []
