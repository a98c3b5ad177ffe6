"""How a worker that does not share the desktop's folders reaches a file: by addresses that each allow one thing.

A worker sees only addresses; who answers them (the desktop's media server, a bucket) it need not know. Over HTTP:

* Reading: `GET` with one `Range`, answered with 206, `Content-Range` and an `ETag` that changes with the file. A worker
  keeps the first `ETag` and sends it as `If-Match`; 412 means that the file was changed.
* Writing an object that is resumable: `HEAD` answers with `Upload-Offset`, how many bytes are there already; `PUT` with
  `Content-Range: bytes first-last/total` adds a block there and answers with the new `Upload-Offset`, and 409 with the
  true one when `first` is another. The last block carries `Repr-Digest: sha-256=:…:` (RFC 9530) of the whole object;
  422 means that the bytes are other ones: the object is empty again.
* Writing an object that is not: one `PUT` of the whole.
* 403 is a forged or expired address, 404 or 410 that nobody wants it any more, 413 more than was allowed, 507 a full
  disk.
"""

import base64
from typing import Annotated, Final

from pydantic import Field

from workers.protocol.model import Text, Uri, WireModel
from workers.protocol.segments import SegmentSpan, Sha256

ObjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
"""Of one object of a task, safe as a file name."""
SizeBytes = Annotated[int, Field(ge=0)]

VIDEO: Final = "video.mp4"
"""The enhanced file, of a whole file and of an assembly."""
REPORT: Final = "report.json"
POSTER: Final = "poster.jpg"
METADATA: Final = "metadata.json"
CONTACT_SHEET: Final = "contact.jpg"
THUMBNAIL: Final = "thumbnail.jpg"
SEGMENT_VIDEO: Final = "segment.video"
SEGMENT_RECORD: Final = "segment.json"
SEGMENT_PLAN: Final = "segment-plan.json"
"""Of an analysis; of an assembly, when it asks for another round."""
SCAN: Final = "scan.bin"
TABLES: Final = "tables.bin"
"""The side files of an analysis; they keep these names in the folder of the parts, and so does the plan."""
OFFSET_HEADER: Final = "Upload-Offset"
MAX_OBJECTS: Final = 20_000
"""Twice the segments of the longest film, and what lies beside them."""


def digest_header(sha256: str) -> str:
    """`Repr-Digest` (RFC 9530) of an object, from its digest in hex."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode('ascii')}:"


class ReadGrant(WireModel):
    """One object that may be read."""

    name: ObjectName
    url: Uri
    size_bytes: SizeBytes
    sha256: Sha256 | None = None


class WriteGrant(WireModel):
    """One object that may be written once."""

    name: ObjectName
    url: Uri
    is_resumable: bool = False


class RemoteFiles(WireModel):
    """Every object of one attempt, for a worker that cannot open the task's `file:` addresses itself."""

    host: Text
    """The computer on which the `file:` addresses hold: a worker there opens the files themselves."""
    source_url: Uri
    reads: Annotated[tuple[ReadGrant, ...], Field(max_length=MAX_OBJECTS)] = ()
    """What lies in the folder of the parts, under the names it has there."""
    writes: Annotated[tuple[WriteGrant, ...], Field(max_length=64)] = ()
    """What the attempt may hand over; which of it, depends on what it makes."""
    certificate_sha256: Sha256 | None = None
    """Fingerprint of the one certificate (DER) that is believed; None: as the system's authorities say."""
    likely_next: SegmentSpan | None = None
    """The segment of the same file that this worker will probably be given next: its bytes may be fetched ahead."""


class SentObject(WireModel):
    """One object that a worker has handed over."""

    name: ObjectName
    size_bytes: SizeBytes
    sha256: Sha256
