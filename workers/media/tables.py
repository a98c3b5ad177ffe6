"""What the full analysis found, one entry for every source picture, and its form as one checksummed file.

Plans name these tables by their checksum, so that every worker that executes a plan filters by the same numbers. The
tables are numbered as `VideoDecoder` counts pictures. Nothing is known here of how they are measured or used.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MAGIC: Final = b"VPTABLES1\n"
_MAX_BYTES: Final = 1 << 30

type SourcePosition = Callable[[int], float]
"""Where in the source a picture of a filtered clip stands, in source pictures: n where nothing changed the count, n / 2
after fields were taken apart, the middle of its two sources for a film picture. May lie between two pictures."""


class TablesError(ValueError):
    """A file of tables is not what the plan was made with."""


class TableKind(StrEnum):
    """What the full analysis can be asked for; scene cuts come with each of them."""

    EXPOSURE = "exposure"
    PATH = "path"
    FILM = "film"


@dataclass(frozen=True, slots=True, eq=False)
class FrameTables:
    """One row for each source picture; a table that nobody asked for has none. Arrays are read only.

    Attributes:
        frame_count: source pictures.
        cuts: int32, numbers of the pictures that begin a new scene, ascending, without 0.
        mean_luma: float32, shape (n,), fraction of the nominal range.
        gain: float32, shape (n,), what the light of each picture is multiplied by to be steady, about 1.
        correction: float32, shape (n, 4), what each picture is moved by to be steady: right and down in px of the coded
            picture, clockwise rotation in radians, logarithm of the enlargement; about the middle of the picture.
        zoom: float32, shape (n,), enlargement that hides the borders, the same for all pictures of a scene, at least 1.
        film_top: int32, shape (m,), source picture of the top field of each film picture.
        film_bottom: int32, shape (m,), the same of the bottom field.
        film_shown_with: int32, shape (m,), ascending, source picture that each film picture stands at.
        film_is_combed: uint8, shape (m,), 1 where the two fields do not belong together.
    """

    frame_count: int
    cuts: NDArray[np.int32]
    mean_luma: NDArray[np.float32]
    gain: NDArray[np.float32]
    correction: NDArray[np.float32]
    zoom: NDArray[np.float32]
    film_top: NDArray[np.int32]
    film_bottom: NDArray[np.int32]
    film_shown_with: NDArray[np.int32]
    film_is_combed: NDArray[np.uint8]

    def __post_init__(self) -> None:
        n = self.frame_count
        film = self.film_top.shape
        sound = (
            self.correction.shape == (len(self.correction), 4)
            and all(len(rows) in {0, n} for rows in (self.mean_luma, self.gain, self.correction, self.zoom))
            and len(self.correction) == len(self.zoom)
            and all(rows.shape == film for rows in (self.film_bottom, self.film_shown_with, self.film_is_combed))
            and bool(np.all(np.diff(self.cuts) > 0))
            and (not len(self.cuts) or 0 < self.cuts[0] <= self.cuts[-1] < n)
            and all(bool(np.isfinite(rows).all()) for rows in (self.gain, self.correction, self.zoom))
        )  # fmt: skip
        if not sound:
            raise TablesError("the tables do not fit together")
        for name, _ in _COLUMNS:
            getattr(self, name).flags.writeable = False

    def to_bytes(self) -> bytes:
        """The file: a line that says what it is, a line of JSON with the shapes, then the numbers, little-endian."""
        shapes = {name: list(getattr(self, name).shape) for name, _ in _COLUMNS}
        header = json.dumps({"frames": self.frame_count, "shapes": shapes}, sort_keys=True)
        body = b"".join(getattr(self, name).astype(kind).tobytes() for name, kind in _COLUMNS)
        return _MAGIC + header.encode() + b"\n" + body

    @property
    def sha256(self) -> str:
        """Checksum of the file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path: Path) -> str:
        """Write the file under its name only when it is whole; returns its checksum."""
        data = self.to_bytes()
        beside = path.with_name(f"{path.name}.part")
        beside.write_bytes(data)
        beside.replace(path)
        return hashlib.sha256(data).hexdigest()

    def scene_starts(self) -> NDArray[np.int32]:
        """First picture of every scene, 0 included."""
        return np.concatenate([np.zeros(1, np.int32), self.cuts])

    def at(self, rows: NDArray[np.float32], position: float) -> NDArray[np.float64]:
        """Entry of a table at a position; between two pictures of one scene by the straight line between them.

        Args:
            rows: one of these tables, shape (n,) or (n, k), not empty.
            position: in source pictures; beyond the ends the first or last entry counts.
        """
        last = len(rows) - 1
        position = min(max(position, 0.0), float(last))
        before = int(position)
        after = min(before + 1, last)
        part = position - before
        if part == 0 or self._is_cut(after):
            # At a cut, a position belongs to the picture it follows.
            return np.asarray(rows[before], np.float64)
        low, high = (np.asarray(rows[number], np.float64) for number in (before, after))
        return np.asarray(low + (high - low) * part)

    def _is_cut(self, number: int) -> bool:
        place = int(np.searchsorted(self.cuts, number))
        return place < len(self.cuts) and int(self.cuts[place]) == number


_COLUMNS: Final = (
    ("cuts", "<i4"),
    ("mean_luma", "<f4"),
    ("gain", "<f4"),
    ("correction", "<f4"),
    ("zoom", "<f4"),
    ("film_top", "<i4"),
    ("film_bottom", "<i4"),
    ("film_shown_with", "<i4"),
    ("film_is_combed", "|u1"),
)
"""In the order of the file."""


def tables_of(frame_count: int, cuts: NDArray[np.int32], **columns: NDArray[Any]) -> FrameTables:
    """Tables with some columns; those that are not named stay empty.

    Raises:
        TablesError: unknown names, or columns that do not fit together.
    """
    unknown = columns.keys() - {field.name for field in fields(FrameTables)}
    if unknown:
        raise TablesError(f"there is no table {', '.join(sorted(unknown))}")
    filled: dict[str, Any] = {}
    for name, kind in _COLUMNS:
        empty = np.zeros((0, 4) if name == "correction" else 0)
        filled[name] = np.array(cuts if name == "cuts" else columns.get(name, empty), np.dtype(kind))
    return FrameTables(frame_count=frame_count, **filled)


def load_tables(path: Path, sha256: str) -> FrameTables:
    """Read tables that a plan names.

    Args:
        path: of the file.
        sha256: as the plan states it, lower-case hexadecimal.

    Raises:
        TablesError: the file is another one, or damaged.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise TablesError(f"{path.name} is too large for a file of tables")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise TablesError(f"{path.name} is not the file of tables that the plan was made with")
    return from_bytes(data)


def from_bytes(data: bytes) -> FrameTables:
    """What `FrameTables.to_bytes` wrote.

    Raises:
        TablesError: it did not.
    """
    if not data.startswith(_MAGIC):
        raise TablesError("this is not a file of tables")
    line, separator, body = data[len(_MAGIC) :].partition(b"\n")
    if not separator:
        raise TablesError("the file of tables ends too early")
    try:
        header = json.loads(line)
        shapes = {name: tuple(int(size) for size in header["shapes"][name]) for name, _ in _COLUMNS}
        columns: dict[str, Any] = {}
        offset = 0
        for name, kind in _COLUMNS:
            dtype = np.dtype(kind)
            count = int(np.prod(shapes[name], dtype=np.int64))
            columns[name] = np.frombuffer(body, dtype, count, offset).reshape(shapes[name]).copy()
            offset += count * dtype.itemsize
        frames = int(header["frames"])
    except (KeyError, TypeError, ValueError) as error:
        raise TablesError(f"the file of tables is damaged: {error}") from error
    if offset != len(body):
        raise TablesError("the file of tables has something behind its end")
    return FrameTables(frame_count=frames, **columns)
