"""The one error that a user can mend; needs no torch."""


class UserError(Exception):
    """What was wrong, where, and what would be right, in one sentence; shown without a traceback."""
