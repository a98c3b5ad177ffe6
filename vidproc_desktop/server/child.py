"""The media server's process. What it needs comes as one line of JSON on its standard input, secrets included.

It says on its standard output which port it listens on, and ends when its standard input does: with the program that
started it, however that ended.
"""

import asyncio
import logging
import os
import socket
import sys
import threading
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from workers.protocol.model import WireModel

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
_LOG_BYTES: Final = 1_000_000
_BACKLOG: Final = 256
_KEEP_ALIVE_S: Final = 75
_MAX_CONNECTIONS: Final = 512


class ServerConfig(WireModel):
    """What the process is told."""

    secret: Annotated[str, Field(repr=False)]
    """In hex."""
    bind: str
    """Address to listen on; empty: all of this computer's."""
    port: int
    """The wanted one; 0, or one that is taken: any free one."""
    pem: str | None
    """File with certificate and key; None: without TLS."""
    log: str
    """Its log file."""


class ServerReady(WireModel):
    """What the process says when it listens."""

    port: int


def main() -> int:
    """Serve until the end of standard input."""
    line = sys.stdin.buffer.readline()
    if not line:
        return EXIT_FAILED
    config = ServerConfig.model_validate_json(line)
    _open_log(Path(config.log))
    listener = _listen(config.bind, config.port)
    port = int(listener.getsockname()[1])
    threading.Thread(target=_end_with_stdin, name="end-with-stdin", daemon=True).start()
    asyncio.run(_serve(config, listener, ServerReady(port=port)))
    return EXIT_OK


async def _serve(config: ServerConfig, listener: socket.socket, ready: ServerReady) -> None:
    import uvicorn

    from vidproc_desktop.server.media import make_application

    class Announced(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            sys.stdout.write(ready.model_dump_json() + "\n")
            sys.stdout.flush()

    application = make_application(bytes.fromhex(config.secret))
    options = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        http="h11",
        ws="none",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_certfile=config.pem,
    )
    await Announced(options).serve(sockets=[listener])


def _listen(bind: str, port: int) -> socket.socket:
    """A listening socket, on the wanted port where it is free."""
    family = socket.AF_INET6 if ":" in bind or (not bind and socket.has_dualstack_ipv6()) else socket.AF_INET
    is_dual = not bind and family == socket.AF_INET6

    def listen(port: int) -> socket.socket:
        return socket.create_server(
            (bind, port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_dual, reuse_port=False
        )

    if port:
        with suppress(OSError):
            return listen(port)
    return listen(0)


def _open_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(EXIT_OK)


if __name__ == "__main__":
    sys.exit(main())
