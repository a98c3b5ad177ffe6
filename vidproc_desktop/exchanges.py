"""Which file exchange the settings ask for. Starts nothing."""

from urllib.parse import urlsplit

from vidproc_desktop.broker.commands import media_server_command
from vidproc_desktop.bucket import BucketExchange, BucketOptions
from vidproc_desktop.config import Settings
from vidproc_desktop.server import MediaServerExchange, MediaServerOptions, ServerCommand
from vidproc_desktop.services.ports import FileExchange


def make_exchange(settings: Settings, url: str, client_id: str) -> FileExchange | None:
    """The exchange that goes with a broker; None where all workers share the folders.

    Args:
        settings: those in use.
        url: of the broker, towards which this computer's own address is looked for.
        client_id: whose tasks these are.
    """
    match settings.file_exchange:
        case "shared":
            return None
        case "media_server":
            command = media_server_command()
            parts = urlsplit(url)
            return MediaServerExchange(
                MediaServerOptions(
                    command=ServerCommand(command.arguments, command.environment),
                    folder=settings.data_folder / "media-server",
                    log=settings.log_folder / "media-server.log",
                    public_host=settings.media_server_host,
                    seen_from=parts.hostname or "localhost",
                    port=settings.media_server_port,
                )
            )
        case "s3":
            return BucketExchange(
                BucketOptions(
                    bucket=settings.s3_bucket,
                    access_key=settings.s3_access_key,
                    secret_key=settings.s3_secret_key,
                    endpoint=settings.s3_endpoint,
                    region=settings.s3_region,
                ),
                client_id,
            )
