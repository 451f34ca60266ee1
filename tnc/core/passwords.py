"""Passwords, kept so that a stolen database is of no use without the keys of this installation."""

import base64
import hmac
from functools import cached_property
from typing import Final

import bcrypt

from tnc.core.errors import InvalidError

MIN_LENGTH: Final = 15
MAX_LENGTH: Final = 1024
ROUNDS: Final = 12

_SCHEME: Final = b"$tnc-bcrypt$"
_DIGEST_CHARACTERS: Final = 31  # of bcrypt


class Passwords:
    """Makes and checks verifiers: `bcrypt(base64(HMAC-SHA-384(pepper, password)))` (spec/privacy.md 5.1).

    The keyed digest comes first because bcrypt reads at most 72 bytes and 5.0 refuses more: the digest is
    always 64 bytes without a NUL, so that every password counts to its last byte. `pepper` is a secret of
    at least 32 bytes that is kept away from the database. Both methods take about half a second of one
    core with the default `rounds` (2 ** rounds) and give the interpreter free meanwhile.
    """

    def __init__(self, pepper: bytes, *, rounds: int = ROUNDS) -> None:
        if len(pepper) < 32:
            raise InvalidError("the key for passwords is shorter than 32 bytes; restore the key file from its copy")
        self._pepper = pepper
        self._rounds = rounds

    @cached_property
    def _nobody(self) -> str:
        """As costly to try as any, and made without a hash: the first stranger must not wait for two."""
        return (_SCHEME + bcrypt.gensalt(self._rounds) + b"." * _DIGEST_CHARACTERS).decode("ascii")

    def hash(self, password: str) -> str:
        """The verifier to store. Its prefix names the scheme, so that a better one can stand beside it later."""
        return (_SCHEME + bcrypt.hashpw(self._digest(password), bcrypt.gensalt(self._rounds))).decode("ascii")

    def matches(self, password: str, verifier: str | None) -> bool:
        """Whether it is the password. An unknown user (`None`) takes the time of a known one and never matches."""
        stored = (verifier or self._nobody).encode().removeprefix(_SCHEME)
        right = bcrypt.checkpw(self._digest(password), stored)
        return right and verifier is not None

    def _digest(self, password: str) -> bytes:
        keyed = hmac.digest(self._pepper, password.encode("utf-8", "surrogatepass"), "sha384")
        return base64.b64encode(keyed)


def check_new_password(password: str, *, email: str) -> None:
    """Refuse what is easily guessed: length counts, composition does not (NIST 800-63B-4). Raises InvalidError."""
    if len(password) < MIN_LENGTH:
        raise InvalidError(
            f"the password has {len(password)} characters; choose one of at least {MIN_LENGTH}, for example four words"
        )
    if len(password) > MAX_LENGTH:
        raise InvalidError(f"the password is longer than {MAX_LENGTH} characters; choose a shorter one")
    if len(set(password.casefold())) < 5 or email.casefold() in password.casefold():
        raise InvalidError("the password repeats itself or your e-mail address; choose four unrelated words instead")
