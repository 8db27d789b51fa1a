"""The one way in which bytes can be wrong."""


class WireError(ValueError):
    """Bytes from a stranger do not have the form that the protocol demands.

    The message is short English for evidence and logs, never shown as a verdict.
    """
