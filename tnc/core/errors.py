"""The errors of tnc. The text of each is the sentence that a user sees; it ends with what to do next."""


class TncError(Exception):
    """An expected error: its text is shown without a traceback."""

    exit_code = 1
    http_status = 500


class FailedError(TncError):
    """An allowed and well-formed request failed."""


class DamagedError(FailedError):
    """A file in the data directory is damaged or missing."""


class InvalidError(TncError):
    """The input cannot be used; nothing was changed."""

    exit_code = 2
    http_status = 422


class NotFoundError(TncError):
    """The thing that was named does not exist."""

    exit_code = 3
    http_status = 404


class RefusedError(TncError):
    """Not allowed, locked, or unsafe."""

    exit_code = 4
    http_status = 403


class PartlyDoneError(TncError):
    """Some of it worked; the text says what failed."""

    exit_code = 5


class UnavailableError(TncError):
    """Not possible now, but perhaps in a moment; nothing was stored."""

    http_status = 503
