"""Every byte of a password counts, and weak new passwords are refused."""

import bcrypt
import pytest

from tnc.core.errors import InvalidError
from tnc.core.passwords import Passwords, check_new_password


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(b"p" * 32, rounds=4)


@pytest.mark.parametrize(
    "password",
    ["", "correct horse battery", "пароль-из-слов-и-чисел", "🐎" * 24, "x" * 1024, "with\0a NUL in it", "\ud800 alone"],
    ids=["empty", "ascii", "cyrillic", "96 bytes of emoji", "long", "nul", "surrogate"],
)
def test_a_password_matches_itself_and_nothing_longer(passwords: Passwords, password: str) -> None:
    verifier = passwords.hash(password)

    assert passwords.matches(password, verifier)
    assert not passwords.matches(password + "!", verifier)


def test_bytes_after_the_seventy_second_count(passwords: Passwords) -> None:
    verifier = passwords.hash("a" * 72 + "b")

    assert not passwords.matches("a" * 72 + "c", verifier)


def test_an_unknown_user_never_matches(passwords: Passwords) -> None:
    assert not passwords.matches("an unknown password", None)


def test_the_first_unknown_user_takes_one_hash_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(bcrypt.hashpw(b"any", bcrypt.gensalt(5)))
    monkeypatch.delattr(bcrypt, "hashpw")  # checking uses another function
    fresh = Passwords(b"p" * 32, rounds=5)

    assert not fresh.matches("any", None)

    verifier = fresh._dummy.removeprefix("$tnc-bcrypt$")
    assert (verifier[:7], len(verifier)) == ("$2b$05$", length)


def test_a_verifier_is_useless_without_the_pepper(passwords: Passwords) -> None:
    stolen = passwords.hash("correct horse battery")

    assert not Passwords(b"q" * 32, rounds=4).matches("correct horse battery", stolen)


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(InvalidError, match="shorter than 32 bytes"):
        Passwords(b"short")


def test_the_default_cost_is_twelve() -> None:
    assert Passwords(b"p" * 32).hash("any").startswith("$tnc-bcrypt$$2b$12$")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("fourteen chars", "at least 15"),
        ("x" * 1025, "longer than 1024"),
        ("ababababababababab", "repeats itself"),
        ("Owner@Example.com2026", "e-mail"),
    ],
)
def test_a_weak_new_password_is_refused_with_advice(password: str, sentence: str) -> None:
    with pytest.raises(InvalidError, match=sentence):
        check_new_password(password, email="owner@example.com")


def test_four_words_are_accepted_as_a_password() -> None:
    check_new_password("correct horse battery staple", email="owner@example.com")
