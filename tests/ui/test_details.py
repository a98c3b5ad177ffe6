"""Report, metadata, colours, workers: what is read off the GUI thread and shown."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from tests.ui.records import described, enhanced, failed, record
from vidproc_desktop.domain.workers import WorkerView
from vidproc_desktop.ui.metadata_groups import groups_of
from vidproc_desktop.ui.report_text import report_page
from vidproc_desktop.ui.side_pane import SidePane
from vidproc_desktop.ui.theme import Theme
from vidproc_desktop.ui.thumbnails import Thumbnails
from vidproc_desktop.ui.workers_dock import WorkersDock
from workers.protocol.analysis import Analysis, Borders, ColourCast, Figure, ScanFinding, ScanKind
from workers.protocol.media import AudioStreamInfo, FieldOrder, MediaInfo, Tag, VideoStreamInfo
from workers.protocol.messages import CurrentTask
from workers.protocol.model import WorkerId
from workers.protocol.pictures import DominantColour, Histogram, MetadataDocument, PictureStatistics
from workers.protocol.plan import EnhancementPlan, OutputColour, SkippedStep
from workers.protocol.report import Check, EnhancementReport, GateResult, Note, NoteCode
from workers.protocol.settings import EnhancementSettings
from workers.protocol.states import ErrorCode, ProcessType, Stage, WorkerState
from workers.protocol.steps import SharpenStep, StepKind


@pytest.fixture
def media() -> MediaInfo:
    return MediaInfo(
        format_name="mov,mp4",
        format_long="QuickTime / MOV",
        size_bytes=12_400_000,
        duration_s=Fraction(4204, 100),
        start_s=Fraction(0),
        bit_rate=2_500_000,
        tags=(Tag(key="title", value="<b>Holiday</b>"),),
        video=(
            VideoStreamInfo(
                index=0,
                codec="h264",
                codec_long="H.264",
                profile="High",
                width_px=720,
                height_px=576,
                sample_aspect_ratio=Fraction(16, 15),
                pixel_format="yuv420p",
                bit_depth=8,
                average_rate=Fraction(30000, 1001),
                base_rate=Fraction(30000, 1001),
                is_variable_rate=True,
                frame_count=1260,
                rotation_deg=90,
            ),
        ),
        audio=(
            AudioStreamInfo(
                index=1, codec="aac", sample_rate_hz=48000, channels=6, layout="5.1", sample_format="fltp",
                language="deu",
            ),
        ),
        warnings=("The file ends early.",),
    )  # fmt: skip


@pytest.fixture
def document(media: MediaInfo) -> MetadataDocument:
    flat = tuple([1 / 64] * 64)
    return MetadataDocument(
        file_id="f1",
        file_name="a.mp4",
        media=media,
        pictures=PictureStatistics(
            sampled_frames=12,
            average_colour="#102030",
            dominant_colours=(
                DominantColour(hex="#ff0000", share=0.75),
                DominantColour(hex="#0000ff", share=0.25),
            ),
            histogram=Histogram(red=flat, green=flat, blue=flat, luma=flat),
        ),
        contact_sheet=None,
        created_at="2026-11-22T08:00:00Z",
    )


@pytest.fixture
def report() -> EnhancementReport:
    plan = EnhancementPlan(
        settings=EnhancementSettings(),
        steps=(SharpenStep(amount=0.3, reason="The picture is <soft>."),),
        skipped=(SkippedStep(kind=StepKind.DENOISE, reason="No noise was found."),),
        width_px=720,
        height_px=576,
        colour=OutputColour(primaries="bt709", transfer="bt709", matrix="bt709", is_assumed=True),
        remux=False,
        remux_reason="",
    )
    return EnhancementReport(
        file_id="f1",
        attempt=1,
        worker_id="w1",
        source_name="a.mp4",
        source_size_bytes=12_400_000,
        source_mtime_ns=0,
        output_name="a.mp4",
        output_size_bytes=9_000_000,
        output_sha256="0" * 64,
        settings_key="k",
        analysis=None,
        plan=plan,
        frames_in=1260,
        frames_out=1260,
        duration_in_s=Fraction(42),
        duration_out_s=Fraction(42),
        audio_tracks=1,
        subtitle_tracks=0,
        chapters=0,
        notes=(Note(code=NoteCode.COLOUR_ASSUMED, text="Colour tags were missing."),),
        gate=None,
        checks=(Check(name="frame_count", passed=True, detail="1260 of 1260"),),
        timings=(),
        started_at="",
        finished_at="",
        program_version="0.1.0",
    )


@pytest.fixture
def pane(theme: Theme, qtbot: QtBot) -> Iterator[SidePane]:
    pane = SidePane(theme)
    qtbot.addWidget(pane)
    pane.tabs.setCurrentIndex(1)
    pane.show()
    yield pane
    pane.close_files()


def test_facts_are_grouped_and_readable(media: MediaInfo) -> None:
    groups = {group.title: dict(group.facts) for group in groups_of(media)}
    assert list(groups) == ["File", "Worth knowing", "Video", "Audio: deu", "Tags"]
    assert groups["File"]["Size"] == "12.4 MB"
    assert groups["Video"]["Frame rate"] == "29.97 frames/s (30000/1001), varies"
    assert groups["Video"]["Pixel shape"] == "16 : 15"
    assert groups["Video"]["Rotation"] == "90° clockwise"
    assert groups["Audio: deu"]["Channels"] == "6 (5.1)"
    assert "Colour primaries" not in groups["Video"]


def test_the_report_says_what_was_done_and_why_and_escapes_it(report: EnhancementReport) -> None:
    page = report_page(report, done_colour="#0f0", failed_colour="#f00", muted_colour="#888")
    for words in ("Sharpening", "The picture is &lt;soft&gt;.", "No noise was found.", "Colour tags were missing.",
                  "Frame count", "12.4 MB before, 9.0 MB after"):  # fmt: skip
        assert words in page
    assert "<soft>" not in page


@pytest.mark.parametrize("kind", StepKind)
def test_every_step_that_can_be_left_out_has_a_name(report: EnhancementReport, kind: StepKind) -> None:
    plan = report.plan.model_copy(update={"skipped": (SkippedStep(kind=kind, reason="Left out."),)})
    page = report_page(
        report.model_copy(update={"plan": plan}),
        done_colour="#0f0",
        failed_colour="#f00",
        muted_colour="#888",
    )
    assert "Left out." in page


def test_the_report_says_what_was_found_and_what_the_gate_measured(report: EnhancementReport) -> None:
    analysis = Analysis(
        sampled_frames=20,
        noise_sigma=7.26,
        noise_is_correlated=True,
        noise_confidence=1,
        black_level=0.02,
        white_level=0.98,
        mean_level=0.4,
        contrast_spread=0.7,
        cast=ColourCast(cb=0, cr=0, confidence=0),
        sharpness=100,
        scan=ScanFinding(kind=ScanKind.TELECINE, field_order=FieldOrder.TOP_FIRST, confidence=1),
        borders=Borders(top_px=60, bottom_px=60, confidence=1),
        duplicates=Figure(value=0.25, confidence=1),
    )
    gate = GateResult(
        sampled_frames=12,
        sigma_before=7.3,
        sigma_after=0.8,
        newly_clipped_share=0.0002,
        flat_psnr_db=51.26,
        passed=True,
        detail="nothing else changed",
    )
    page = report_page(
        report.model_copy(update={"analysis": analysis, "gate": gate}),
        done_colour="#0f0",
        failed_colour="#f00",
        muted_colour="#888",
    )
    for words in ("Noise σ 7.3 (shaped by a codec)", "3:2 pulldown", "0, 60, 0 and 60 px", "25% of the pictures repeat",
                  "7.3 before and 0.8 after", "0.020% of the pixels", "51.3 dB", "Nothing else changed."):  # fmt: skip
        assert words in page


def test_documents_are_read_and_shown_when_a_row_is_finished(
    pane: SidePane, document: MetadataDocument, report: EnhancementReport, tmp_path: Path, qtbot: QtBot
) -> None:
    metadata_path, report_path = tmp_path / "a.json", tmp_path / "a.report.json"
    metadata_path.write_text(document.model_dump_json())
    report_path.write_text(report.model_dump_json())
    row = record(1)
    pane.show_record(row)
    assert "has not been enhanced yet" in pane.report.toPlainText()
    pane.show_record(described(enhanced(row, tmp_path / "a.mp4", report_path), metadata_path))
    qtbot.waitUntil(lambda: "Sharpening" in pane.report.toPlainText())
    titles = [
        pane.metadata.tree.topLevelItem(number) for number in range(pane.metadata.tree.topLevelItemCount())
    ]
    assert [item.text(0) for item in titles if item is not None][:2] == ["File", "Worth knowing"]
    assert pane.colours.plot is not None
    assert len(pane.colours.plot.listDataItems()) == 0 or pane.colours.plot is not None
    assert "#ff0000 75%" in pane.colours.swatches.accessibleName()


def test_swatches_are_as_wide_as_their_share(
    pane: SidePane, document: MetadataDocument, qtbot: QtBot
) -> None:
    assert document.pictures is not None
    swatches = pane.colours.swatches
    swatches.show_colours(document.pictures.dominant_colours)
    swatches.resize(400, 64)
    image = swatches.grab().toImage()
    red = sum(image.pixelColor(x, 10).name() == "#ff0000" for x in range(image.width()))
    assert red / image.width() == pytest.approx(0.75, abs=0.03)


def test_a_document_that_is_gone_is_said_in_words(pane: SidePane, tmp_path: Path, qtbot: QtBot) -> None:
    pane.show_record(described(enhanced(record(1), tmp_path / "a.mp4"), tmp_path / "gone.json"))
    qtbot.waitUntil(lambda: "is gone" in pane.report.toPlainText())


def test_a_failed_file_shows_its_error_and_log_in_the_report(pane: SidePane) -> None:
    pane.show_record(failed(record(1), "The disk is full.", ErrorCode.DISK_FULL))
    text = pane.report.toPlainText()
    assert "The disk is full." in text
    assert "line two" in text


def test_an_answer_for_a_row_no_longer_selected_is_dropped(
    pane: SidePane, document: MetadataDocument, tmp_path: Path, qtbot: QtBot
) -> None:
    path = tmp_path / "a.json"
    path.write_text(document.model_dump_json())
    pane.show_record(described(record(1), path))
    pane.show_record(record(2))
    pane._reader._pool.waitForDone()
    qtbot.wait(0)
    assert pane.metadata.tree.topLevelItemCount() == 0


def _worker(number: int, **changes: object) -> WorkerView:
    view = WorkerView(
        worker_id=WorkerId(f"w{number}"),
        host="studio",
        pid=number,
        is_ours=True,
        process_types=(ProcessType.VIDEO_ENHANCEMENT,),
        state=WorkerState.IDLE,
        is_lost=False,
        slots=1,
        current=(),
        message=None,
        last_seen_at=0.0,
        program_version="0.1.0",
    )
    return replace(view, **changes)  # type: ignore[arg-type]  # the test's own field names


def test_workers_are_listed_with_what_they_do(theme: Theme, qtbot: QtBot, qtmodeltester: ModelTester) -> None:
    dock = WorkersDock(theme, lambda _file_id: None)
    qtbot.addWidget(dock)
    busy = CurrentTask(
        file_id="f1", client_id="c", process_type=ProcessType.VIDEO_ENHANCEMENT, attempt=1,
        stage=Stage.ENHANCING, progress=40, frames_per_s=51.2,
    )  # fmt: skip
    dock.show_workers(
        [
            _worker(1, state=WorkerState.BUSY, current=(busy,)),
            _worker(2, is_ours=False, host="laptop", is_lost=True),
            _worker(3, is_ours=False, host="node", state=WorkerState.DISK_FULL, message="3 MB left"),
        ]
    )
    rows = [
        [dock.model.index(row, column).data() for column in range(dock.model.columnCount())]
        for row in range(3)
    ]
    assert rows == [
        ["studio (this computer)", "Working", "Enhancement", "Enhancing 40 %", "51.2"],
        ["laptop", "Lost", "Enhancement", "–", "–"],
        ["node", "Disk full: 3 MB left", "Enhancement", "–", "–"],
    ]
    assert dock._summary.text() == "2 workers on 2 computers, 1 working"
    qtmodeltester.check(dock.model)  # type: ignore[no-untyped-call]  # pytest-qt ships no annotation for it


def test_workers_here_can_be_started_and_stopped(theme: Theme, qtbot: QtBot) -> None:
    dock = WorkersDock(theme, lambda _file_id: None)
    qtbot.addWidget(dock)
    dock.show_count(1)
    assert not dock._apply.isEnabled()
    dock._count.setValue(3)
    assert dock._apply.text() == "Start"
    with qtbot.waitSignal(dock.count_wanted) as wanted:
        dock._apply.click()
    assert wanted.args == [3]
    with qtbot.waitSignal(dock.count_wanted) as wanted:
        dock._stop.click()
    assert wanted.args == [0]


def test_thumbnails_are_read_elsewhere_and_rounded(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "t.png"
    image = QImage(320, 180, QImage.Format.Format_RGB32)
    image.fill(QColor("#336699"))
    image.save(str(path))
    thumbnails = Thumbnails(QSize(144, 84))
    with qtbot.waitSignal(thumbnails.arrived):
        assert thumbnails.picture(str(path)) is None
    picture = thumbnails.picture(str(path))
    assert picture is not None
    assert picture.size() == QSize(144, 84)
    shown = picture.toImage()
    assert shown.pixelColor(72, 42).name() == "#336699"
    assert shown.pixelColor(0, 0).alpha() < 128
    assert thumbnails.picture(str(tmp_path / "missing.jpg")) is None
    thumbnails.close()


def test_texts_can_be_copied_from_the_tree(pane: SidePane, document: MetadataDocument, qtbot: QtBot) -> None:
    from PySide6.QtGui import QGuiApplication

    pane.metadata.show_document(document, None)
    pane.tabs.setCurrentWidget(pane.metadata)
    tree = pane.metadata.tree
    top = tree.topLevelItem(0)
    assert top is not None
    fact = top.child(0)
    assert fact is not None
    fact.setSelected(True)
    pane.metadata._copy_selected()
    assert QGuiApplication.clipboard().text() == "Format\tQuickTime / MOV"
    assert tree.focusPolicy() is not Qt.FocusPolicy.NoFocus
