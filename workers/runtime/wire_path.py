"""A path inside a JSON line: as a `file:` URI, because a file name may hold bytes that are no UTF-8. Pure."""

from pathlib import Path
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from workers.runtime.sources import path_from_uri, uri_from_path


def _to_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str):
        raise ValueError("a path is written as a file URI")  # noqa: TRY004 - what pydantic turns into its own
    return path_from_uri(value)


WirePath = Annotated[Path, PlainValidator(_to_path), PlainSerializer(uri_from_path, return_type=str)]
