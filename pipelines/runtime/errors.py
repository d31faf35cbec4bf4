"""The error that a user can mend. A file of its own, since everything imports it."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Something that the user gave cannot be used: a source, a flag, a data directory.

    The message is one line in three parts: what was received, what was expected, what to do.
    Commands print it without a traceback and exit with status 1.
    """


def one_line(error: BaseException, most: int | None = None) -> str:
    """What an error says, in one line, cut to `most` letters; its class's name if it is silent."""
    return (" ".join(str(error).split()) or type(error).__name__)[:most]
