"""What one side of the preview plays: one file, or several that follow each other on the film's clock. Pure values."""

from dataclasses import dataclass

from PySide6.QtCore import QUrl

_LAST_PICTURE_MS = 60
"""So far before the end of what is ready a player still has a picture to show."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One file and its place on the film's clock."""

    url: QUrl
    start_ms: int = 0
    duration_ms: int | None = None
    """None: as long as the player finds it to be."""

    @property
    def end_ms(self) -> int | None:
        """Where the next clip begins; None where that is not known."""
        return None if self.duration_ms is None else self.start_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class Reel:
    """Clips in order, without gaps between."""

    clips: tuple[Clip, ...] = ()
    film_ms: int | None = None
    """Length of the whole film, of which the clips may be only the beginning; None: as long as the only clip is."""

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to play."""
        return not self.clips

    @property
    def is_partial(self) -> bool:
        """True for segments of a film that is not put together yet."""
        return self.film_ms is not None

    def begins(self, other: "Reel") -> bool:
        """True when the other one is the same, or goes on where this one ends."""
        return bool(self.clips) and self.clips == other.clips[: len(self.clips)]

    def within(self, position_ms: int) -> int:
        """The nearest position that has a picture."""
        end_ms = self.clips[-1].end_ms if self.clips else None
        if end_ms is None:
            return max(0, position_ms)
        return min(max(0, position_ms), max(self.clips[-1].start_ms, end_ms - _LAST_PICTURE_MS))

    def clip_at(self, position_ms: int) -> int:
        """Number of the clip that is on screen at a position."""
        return next(
            (
                number
                for number in reversed(range(len(self.clips)))
                if self.clips[number].start_ms <= position_ms
            ),
            0,
        )


NOTHING = Reel()


def whole(url: QUrl) -> Reel:
    """One file that is the whole film; nothing for an empty URL."""
    return NOTHING if url.isEmpty() else Reel((Clip(url),))
