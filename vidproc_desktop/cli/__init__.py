"""The command line: a composition root over the same services as the window. Never imports Qt."""

from vidproc_desktop.cli.program import main

__all__ = ["main"]
