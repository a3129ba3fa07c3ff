"""What can go wrong through no fault of the code: every message names the place and the remedy."""


class TailrankError(Exception):
    """Base of all errors that a user can mend; the command line prints it without a traceback."""


class DataError(TailrankError):
    """A data folder, or a table given in its place, breaks its contract."""


class EncoderError(TailrankError):
    """A language model can't be found, verified or used."""


class ModelError(TailrankError):
    """A model folder is missing, damaged or from another format."""


class RequestError(TailrankError):
    """A history, a candidate list or an option of a request makes no sense."""


def first_line(error: BaseException) -> str:
    """Shorten the message of another library's error to its first line, or to its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
