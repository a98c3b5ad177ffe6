"""A clip together with what its samples mean, so that no conversion has to guess."""

from dataclasses import dataclass, replace
from typing import Any

type VideoNode = Any
"""`vapoursynth.VideoNode`: the library ships no annotations that hold under strict checking."""

MATRIX_RGB = 0
LINEAR = 8


@dataclass(frozen=True, slots=True)
class Clip:
    """A VapourSynth node and its colour, as code points of ITU-T H.273.

    Attributes:
        is_full_range: full swing (0–255) instead of limited (16–235).
        chroma_location: libav's number less one is VapourSynth's; 0 is left.
    """

    node: VideoNode
    matrix: int
    transfer: int
    primaries: int
    is_full_range: bool
    chroma_location: int = 0

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        bits: int = self.node.format.bits_per_sample
        return bits

    def with_node(self, node: VideoNode) -> "Clip":
        """The same meaning, other pictures."""
        return replace(self, node=node)
