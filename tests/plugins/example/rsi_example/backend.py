"""A backend: the plain process of rsi, under a name of its own."""

from rsi.sandboxes.process import ProcessBackend


class WrappedProcess(ProcessBackend):
    """A process without walls; a real one would add some."""

    name = "wrapped"
