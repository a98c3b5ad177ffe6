"""The media server: workers without the desktop's folders read sources from it and hand over what they made."""

from vidproc_desktop.server.exchange import MediaServerExchange, MediaServerOptions
from vidproc_desktop.server.process import ServerCommand

__all__ = ["MediaServerExchange", "MediaServerOptions", "ServerCommand"]
