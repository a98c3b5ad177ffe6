"""Decoding what an encoder makes while it makes it, so that verification need not decode everything once more.

The proof is the list of digests of the coded pictures that a decoder took without complaint. It says nothing of any
file: `workers.media.verify` compares it with what the finished file holds, and decodes that file itself wherever the
two differ.
"""

import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import av
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext

from workers.media.coded_units import FRAMINGS, Units
from workers.media.ticks import MediaPacket
from workers.protocol.settings import VideoCodec

_VERSION_OF_RECORD: Final = b"\1"
"""First byte of H.264's and HEVC's decoder configuration; a byte stream begins with zeros, an AV1 header differs."""

_QUEUED_PACKETS: Final = 64
_DIGEST_BYTES: Final = 16
_THREADS_PER_DECODER: Final = 2
_MOST_DECODERS: Final = 16
"""Decoding without smoothing takes 4 to 9 % of the time that x264 medium takes, 6 to 11 % of x265's and SVT-AV1's at
their fastest useful presets, but up to 45 % of x264 ultrafast's at high bit rates: with a quarter of the threads the
encoder would have to wait there. Threads without work cost nothing but a picture of memory each."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a decoder made of the coded pictures, in coding order.

    Attributes:
        digests: of every packet, as `digest_of_units` gives them.
        parameters: digest of the parameter sets that the decoder was given.
        frames: pictures that came out.
        errors: packets refused, and pictures flagged as damaged.
    """

    digests: tuple[bytes, ...]
    parameters: bytes
    frames: int
    errors: int


def digest_of_units(units: Iterator[bytes]) -> bytes:
    """One digest for a sequence of units, whatever they were framed with."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for unit in units:
        digest.update(len(unit).to_bytes(4, "big"))
        digest.update(unit)
    return digest.digest()


class TrialDecoder:
    """Decodes packets in a thread of its own; use as a context manager.

    Args:
        encoder: where the packets come from; its parameter sets are read once the first packet is there.
        threads: of the whole job; 0: one for each core.
    """

    def __init__(self, encoder: VideoCodecContext, *, threads: int) -> None:
        self._encoder = encoder
        self._threads = max(1, min(_MOST_DECODERS, (threads or os.cpu_count() or 1) // _THREADS_PER_DECODER))
        self._packets: queue.Queue[bytes | None] = queue.Queue(_QUEUED_PACKETS)
        self._framing = FRAMINGS[VideoCodec(encoder.codec.canonical_name)]
        self._units: Units = self._framing.of_packet
        self._digests: list[bytes] = []
        self._parameters = b""
        self._frames = 0
        self._errors = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="trial-decode")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def add(self, packets: list[MediaPacket]) -> None:
        """Take packets in coding order; they are copied. Waits while the decoder is behind."""
        for packet in packets:
            self._packets.put(bytes(packet))

    def finish(self) -> Proof:
        """Decode what is left.

        Raises:
            Exception: whatever went wrong beside decoding.
        """
        self._stop()
        if self._failure is not None:
            raise self._failure
        return Proof(tuple(self._digests), self._parameters, self._frames, self._errors)

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._packets.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            decoder: VideoCodecContext | None = None
            while (coded := self._packets.get()) is not None:
                decoder = decoder or self._open()
                self._digests.append(digest_of_units(self._units(coded)))
                self._decode(decoder, av.Packet(coded))
            if decoder is not None:
                self._decode(decoder, None)
        except BaseException as error:  # noqa: BLE001  # carried to the thread that finishes
            self._failure = error
            while self._packets.get() is not None:
                pass

    def _open(self) -> VideoCodecContext:
        decoder = CodecContext.create(self._framing.decoder, "r")
        assert isinstance(decoder, VideoCodecContext), "a video codec has a video context"
        parameters = self._encoder.extradata or b""
        if parameters[:1] == _VERSION_OF_RECORD:  # VideoToolbox hands out what a file holds
            self._units = self._framing.of_sample
            self._parameters = digest_of_units(self._framing.of_record(parameters))
        else:
            self._parameters = digest_of_units(self._framing.of_parameters(parameters))
        decoder.extradata = parameters
        decoder.thread_type = "FRAME"
        decoder.thread_count = self._threads
        # Every bit is still read and every picture built; only their smoothing, which cannot fail, is left out.
        decoder.options = {"skip_loop_filter": "all"}
        return decoder

    def _decode(self, decoder: VideoCodecContext, packet: MediaPacket | None) -> None:
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            self._errors += 1
            return
        self._frames += len(frames)
        self._errors += sum(frame.is_corrupt for frame in frames)
