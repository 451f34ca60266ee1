"""Password verifiers that are of no use in a stolen database without the keys of this installation."""

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
    """Makes and checks verifiers: `bcrypt(base64(HMAC-SHA-384(pepper, password)))`.

    bcrypt reads at most 72 bytes, and version 5.0 refuses more. The keyed digest is always 64 bytes without a NUL, so
    every byte of a password counts. `pepper` is a secret of at least 32 bytes, stored apart from the database. Both
    methods take about half a second of one core with the default `rounds` (2 ** rounds) and release the GIL meanwhile.
    """

    def __init__(self, pepper: bytes, *, rounds: int = ROUNDS) -> None:
        if len(pepper) < 32:
            raise InvalidError("the key for passwords is shorter than 32 bytes; restore the key file from its copy")
        self._pepper = pepper
        self._rounds = rounds

    @cached_property
    def _dummy(self) -> str:
        """As slow to check as any verifier, but made without hashing, or the first unknown user would wait twice."""
        return (_SCHEME + bcrypt.gensalt(self._rounds) + b"." * _DIGEST_CHARACTERS).decode("ascii")

    def hash(self, password: str) -> str:
        """The verifier to store. Its prefix names the scheme, so that another scheme can be added later."""
        return (_SCHEME + bcrypt.hashpw(self._digest(password), bcrypt.gensalt(self._rounds))).decode("ascii")

    def matches(self, password: str, verifier: str | None) -> bool:
        """Whether the password is right. For an unknown user (`None`) it takes as long and is always false."""
        stored = (verifier or self._dummy).encode().removeprefix(_SCHEME)
        right = bcrypt.checkpw(self._digest(password), stored)
        return right and verifier is not None

    def _digest(self, password: str) -> bytes:
        keyed = hmac.digest(self._pepper, password.encode("utf-8", "surrogatepass"), "sha384")
        return base64.b64encode(keyed)


def check_new_password(password: str, *, email: str) -> None:
    """Refuses short and repetitive passwords, with no rule about characters (NIST 800-63B-4). Raises InvalidError."""
    if len(password) < MIN_LENGTH:
        raise InvalidError(
            f"the password has {len(password)} characters; choose one of at least {MIN_LENGTH}, for example four words"
        )
    if len(password) > MAX_LENGTH:
        raise InvalidError(f"the password is longer than {MAX_LENGTH} characters; choose a shorter one")
    if len(set(password.casefold())) < 5 or email.casefold() in password.casefold():
        raise InvalidError("the password repeats itself or your e-mail address; choose four unrelated words instead")
