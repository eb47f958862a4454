"""The errors that a person is shown without a stack of calls."""


class Refused(Exception):
    """A thing cannot be made; the message says why and what to do."""


class ServerAway(Refused):
    """What a thing lies on does not answer."""
