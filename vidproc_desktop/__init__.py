"""Vidproc Desktop: the window, the command line and the HTTP server, over one set of services."""

__version__ = "0.1.0"
