"""The error that a user can mend."""


class InputError(ValueError):
    """Something that the user gave cannot be used: a source, a flag, a data directory.

    The message is one line in three parts: what was received, what was expected, what to do.
    Commands print it without a traceback and exit with status 1.
    """
