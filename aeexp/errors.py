"""The one error that a user can mend; needs no torch."""


class UserError(Exception):
    """What was wrong, where, and what would be right, in one sentence; shown without a traceback."""


class NotApplicable(UserError):
    """What a model has no answer to, such as the code of one that has none. A table shows a dash."""
