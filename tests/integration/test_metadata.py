"""Metadata extraction from real media: document, contact sheet and thumbnail."""

from itertools import pairwise
from pathlib import Path

import cv2
import pytest

from workers.errors import TaskFailedError
from workers.media.jobs import MetadataJob, MetadataOutcome, Progress
from workers.media.metadata_document import document_to_json, read_document, write_document
from workers.media.pictures import extract
from workers.media.probe import displayed_size
from workers.media.quick_probe import quick_probe
from workers.protocol.states import ErrorCode, Stage

REFUSED = {
    "mp4_sample_ac3.mp4",
    "truncated_60pct_missing_moov_nasa.mp4",
    "mp4_sample_malformed_free_box.mp4",
}

FEWER_SAMPLES = {
    # As many as there are pictures, or intact ones; of large and of lossless ones as many as the budget allows.
    "mp4_dolbyVision-hdr.MOV": 4,
    "mp4_portrait_4k60.mp4": 7,
    "mp4_sample_with_colr_mdcv_and_clli.mp4": 8,
    "mp4_sample_with_invalid_nalu.mp4": 23,
    "ts_sample_h262_mpeg_audio.ps": 3,
    "video_0.mov": 3,
    "video_180.mov": 3,
    "video_270.mov": 3,
    "one_frame.mp4": 1,
    "fullrange_pc_desk.mp4": 8,
    "interlaced_tff_UNFLAGGED_h264_from_pegboard60p.mp4": 9,
    "ref_8k_desk_1920x1080_8f.mkv": 5,
    "ref_bbb60p_720x480_60f.mkv": 21,
    "ref_hdr10_pq_640x360_28f.mkv": 20,
    "ref_motorway24p_720x480_24f.mkv": 23,
    "ref_park_640x360_60f.mkv": 16,
    "ref_pegboard60p_720x480_18f.mkv": 18,
    "ref_portrait4k60_540x960_18f.mkv": 12,
}

DAMAGED = {"bitflip_200_nasa.mp4", "truncated_60pct_faststart_nasa.mp4"}


def run(source: Path, workspace: Path) -> tuple[MetadataOutcome, list[Progress]]:
    workspace.mkdir(parents=True)
    reported: list[Progress] = []
    job = MetadataJob("file-1", source, workspace, "video.contact.jpg", threads=2)
    return extract(job, reported.append), reported


def media_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*") if path.is_file())


def test_every_file_of_the_shared_media(shared_media: Path, tmp_path: Path) -> None:
    refused = set()
    for source in media_files(shared_media):
        try:
            outcome, reported = run(source, tmp_path / source.stem)
        except TaskFailedError:
            refused.add(source.name)
            continue
        check_outcome(source, outcome)
        check_progress(reported)
    assert refused == REFUSED


def check_outcome(source: Path, outcome: MetadataOutcome) -> None:
    document = outcome.document
    assert document.file_name == source.name
    assert document.pictures is not None, source.name
    assert document.contact_sheet is not None
    assert outcome.contact_sheet is not None
    assert outcome.thumbnail is not None
    samples = document.pictures.sampled_frames
    if source.name in DAMAGED:
        assert 8 <= samples <= 24, source.name
    else:
        assert samples == FEWER_SAMPLES.get(source.name, 24), source.name

    described = document.contact_sheet
    assert list(described.times_s) == sorted(set(described.times_s)), source.name
    assert len(described.times_s) == samples
    assert described.file_name == "video.contact.jpg"
    sheet = cv2.imread(str(outcome.contact_sheet))
    assert sheet is not None
    assert sheet.shape == (
        described.rows * described.cell_height_px,
        described.columns * described.cell_width_px,
        3,
    ), source.name

    main = document.media.main_video
    assert main is not None
    width, height = displayed_size(main)
    assert described.cell_width_px / described.cell_height_px == pytest.approx(width / height, rel=0.02)
    thumbnail = cv2.imread(str(outcome.thumbnail))
    assert thumbnail is not None
    assert max(thumbnail.shape[:2]) == min(320, max(width, height))
    for channel in ("red", "green", "blue", "luma"):
        assert sum(getattr(document.pictures.histogram, channel)) == pytest.approx(1, abs=1e-3)
    assert sum(colour.share for colour in document.pictures.dominant_colours) == pytest.approx(1, abs=1e-3)


def check_progress(reported: list[Progress]) -> None:
    fractions = [progress.fraction for progress in reported]
    assert all(earlier <= later for earlier, later in pairwise(fractions))
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    stages = [progress.stage for progress in reported]
    assert set(stages) == {Stage.PROBING, Stage.READING_PICTURES}
    assert stages == sorted(stages, key=[Stage.PROBING, Stage.READING_PICTURES].index)


def test_the_document_survives_the_file_and_is_the_same_on_every_run(
    shared_media: Path, tmp_path: Path
) -> None:
    source = shared_media / "derived/multi_audio_subs_chapters.mkv"
    first, _ = run(source, tmp_path / "first")
    second, _ = run(source, tmp_path / "second")
    write_document(first.document, tmp_path / "video.json")
    assert read_document(tmp_path / "video.json") == first.document
    same_clock = second.document.model_copy(update={"created_at": first.document.created_at})
    assert document_to_json(same_clock) == document_to_json(first.document)
    assert first.contact_sheet is not None
    assert second.contact_sheet is not None
    assert first.contact_sheet.read_bytes() == second.contact_sheet.read_bytes()


def test_hdr_is_shown_as_bright_as_an_sdr_screen_would(shared_media: Path, tmp_path: Path) -> None:
    outcome, _ = run(shared_media / "reference/ref_hdr10_pq_640x360_28f.mkv", tmp_path / "hdr")
    assert outcome.document.pictures is not None
    # A daylight scene: raw PQ samples would pile up around 45 % and leave the upper third empty.
    luma = outcome.document.pictures.histogram.luma
    assert sum(luma[43:]) > 0.2


def test_a_picture_is_shown_the_right_way_up(shared_media: Path, tmp_path: Path) -> None:
    outcome, _ = run(shared_media / "androidx/mp4_portrait_4k60.mp4", tmp_path / "portrait")
    assert outcome.thumbnail is not None
    thumbnail = cv2.imread(str(outcome.thumbnail))
    assert thumbnail is not None
    assert thumbnail.shape[:2] == (320, 180)
    assert (outcome.summary.width_px, outcome.summary.height_px) == (2160, 3840)


def test_a_quick_look_passes_over_a_black_beginning(shared_media: Path, tmp_path: Path) -> None:
    outcome = quick_probe(shared_media / "derived/multi_audio_subs_chapters.mkv", tmp_path / "small.jpg")
    assert outcome.thumbnail == tmp_path / "small.jpg"
    picture = cv2.imread(str(tmp_path / "small.jpg"))
    assert picture is not None
    assert picture.shape == (180, 320, 3)
    assert picture.mean() > 20


def test_a_quick_look_without_a_picture_writes_none(shared_media: Path, tmp_path: Path) -> None:
    outcome = quick_probe(shared_media / "derived/one_frame.mp4", None)
    assert outcome.thumbnail is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_so(shared_media: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskFailedError) as raised:
        quick_probe(shared_media / "derived/one_frame.mp4", tmp_path / "missing" / "small.jpg")
    assert raised.value.code is ErrorCode.OUTPUT_NOT_WRITABLE


def test_stopping_from_the_progress_callback(shared_media: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.frames_done == 2:
            raise InterruptedError("stopped")

    job = MetadataJob("file-1", shared_media / "moviepy/chaplin.mp4", tmp_path, "sheet.jpg")
    with pytest.raises(InterruptedError):
        extract(job, stop)
    assert list(tmp_path.iterdir()) == []
