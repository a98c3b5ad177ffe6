"""Which bucket, and who is asking. Pure."""

from dataclasses import dataclass, field
from typing import Final

DEFAULT_REGION: Final = "us-east-1"


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """A bucket and the key to it.

    Attributes:
        bucket: its name; it has to be there.
        endpoint: address of the storage as desktop and workers reach it, `https://computer:port`; empty: Amazon's.
        region: as the storage calls it.
        access_key: public half of the key.
        secret_key: the other half; it never leaves this computer.
        prefix: everything of this program lies below it.
    """

    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    endpoint: str = ""
    region: str = DEFAULT_REGION
    prefix: str = "vidproc"
