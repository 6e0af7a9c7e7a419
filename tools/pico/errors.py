"""The one exception of the virtual Pico: a sentence for people."""


class BoardError(Exception):
    """A file is wrong, a tool is missing, or the board did what it should not."""
