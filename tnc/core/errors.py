"""The ways tnc says no. The text of each is the sentence its reader sees, ending with what to do next."""


class TncError(Exception):
    """A refusal that was foreseen: shown as it is, never with a traceback."""

    exit_code = 1
    http_status = 500


class FailedError(TncError):
    """It was allowed and well-formed, and did not work."""


class InvalidError(TncError):
    """What was given cannot be used; nothing was changed."""

    exit_code = 2
    http_status = 422


class NotFoundError(TncError):
    """There is no such thing."""

    exit_code = 3
    http_status = 404


class RefusedError(TncError):
    """Not allowed, locked, or unsafe."""

    exit_code = 4
    http_status = 403


class PartlyDoneError(TncError):
    """Some of it worked; the text says what did not."""

    exit_code = 5


class UnavailableError(TncError):
    """Cannot be done now, may work in a moment; nothing was stored."""

    http_status = 503
