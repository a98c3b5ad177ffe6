"""The expected size of a result: short runs made by the real chain and coded as planned, and the sound."""

from collections.abc import Iterator
from fractions import Fraction

from av.audio.layout import AudioLayout
from av.video.frame import VideoFrame

from workers.media.audio_plan import plan_track
from workers.media.decisions.encoding import kept_hdr
from workers.media.encode import VideoForm
from workers.media.filters.graph import to_libav
from workers.media.frame_map import output_rate
from workers.media.preview_chain import Chain
from workers.media.preview_source import Check, Known
from workers.media.size_prediction import TrialRuns, predict_size, trial_runs
from workers.protocol.media import AudioStreamInfo
from workers.protocol.plan import EnhancementPlan

_MINUTE_S = 60


def expected_size(known: Known, plan: EnhancementPlan, chain: Chain, *, threads: int, check: Check) -> int:
    """Bytes of the whole result, within about a tenth for most films; a copied one is as large as its source.

    Args:
        known: the source.
        plan: of the whole run.
        chain: of the same plan, as far as it is shown.
        threads: upper bound for the encoder; 0: it decides.
        check: called between runs; what it raises ends the trial.

    Raises:
        NothingToPredictFromError: not one picture can be decoded.
    """
    if plan.remux:
        return known.info.size_bytes
    source = known.material
    end = chain.pictures[-1].time.end if chain.pictures else 0
    seconds = Fraction(end) * chain.clock.time_base
    rate = output_rate(plan, source.average_rate)
    form = VideoForm(
        plan.width_px,
        plan.height_px,
        chain.clock.timescale,
        rate,
        plan.colour,
        kept_hdr(plan, source.video),
    )
    cuts = known.analysis.cuts_per_minute
    pictures = predict_size(
        _runs(chain, trial_runs(plan.encoding, len(chain.pictures)), check),
        plan.encoding,
        form,
        seconds=float(seconds),
        frame_count=len(chain.pictures),
        cuts=round(cuts.value * cuts.confidence * float(seconds) / _MINUTE_S),
        threads=threads,
    )
    rates = [_sound_rate(track, plan.settings.audio_bit_rate_per_channel) for track in known.info.audio]
    return pictures + round(sum(rates) * float(seconds) / 8)


def _runs(chain: Chain, wanted: TrialRuns, check: Check) -> Iterator[list[VideoFrame]]:
    """Runs of neighbouring output pictures, evenly spread; overlapping where the film is short."""
    last = max(0, len(chain.pictures) - wanted.length)
    for number in range(wanted.count):
        check()
        start = last * (2 * number + 1) // (2 * wanted.count)
        pictures = chain.pictures[start : start + wanted.length]
        if pictures:
            chain.prepare(pictures[0])
        made = chain.graph.run(chain.graph.nodes.filtered, iter(pictures))
        yield [to_libav(frame) for _, frame in made]


def _sound_rate(track: AudioStreamInfo, per_channel: int) -> int:
    """bit/s of a track in the result."""
    planned = plan_track(track, is_damaged=False)
    if planned.is_copied and track.bit_rate:
        return track.bit_rate
    channels = AudioLayout(planned.layout).nb_channels if planned.layout else track.channels
    return channels * per_channel
