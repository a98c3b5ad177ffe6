"""A varied third of the shared media through RabbitMQ and a worker of somebody else's, compared with the same table."""

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.command_line import assert_gone, running
from tests.fixtures.rabbitmq_node import RabbitMQNode
from tests.integration.expectations import Expectation, load
from tests.integration.media_run import LIMIT_S, MediaRun, run_media

pytestmark = pytest.mark.timeout(LIMIT_S)

THIRD = (
    "androidx/mkv_bbb_642x642_768kbps_30fps_vp9.webm",
    "androidx/mkv_sample_with_ssa_subtitles.mkv",
    "androidx/mp4_dolbyVision-hdr.MOV",
    "androidx/mp4_portrait_4k60.mp4",
    "androidx/mp4_sample_ac3.mp4",
    "androidx/mp4_sample_rotate_and_reflect.mp4",
    "androidx/mp4_sample_with_chapters.mp4",
    "decord/video_270.mov",
    "derived/interlaced_tff_mpeg2_422_from_bbb60p.ts",
    "derived/nonzero_start_100000s.ts",
    "derived/odd_853x481_yuv444p.mp4",
    "derived/one_frame.mp4",
    "derived/truncated_60pct_faststart_nasa.mp4",
    "derived/truncated_60pct_missing_moov_nasa.mp4",
    "derived/wmv2_park.wmv",
    "reference/ref_hdr10_pq_640x360_28f.mkv",
    "torchcodec/nasa_13013.mp4",
)
TABLE = {name: expected for name, expected in load().items() if name in THIRD}


@pytest.fixture(scope="module")
def media_run(
    shared_media: Path, rabbitmq_node_handle: RabbitMQNode, tmp_path_factory: pytest.TempPathFactory
) -> MediaRun:
    if not rabbitmq_node_handle.is_running:
        rabbitmq_node_handle.start()
    url = rabbitmq_node_handle.new_vhost_url()
    folder = tmp_path_factory.mktemp("rabbitmq")
    with running("worker", "--data-dir", folder / "elsewhere", VIDPROC_RABBITMQ_URL=url) as worker:
        run = run_media(shared_media, list(TABLE), folder, "--broker", url, "--workers", "0")
        family = worker.family()
        os.kill(worker.process.pid, signal.SIGTERM)
        worker.end()
        assert_gone(family, 2)
    return run


def test_the_third_is_a_third(media_run: MediaRun) -> None:
    assert set(TABLE) == set(THIRD)
    assert len(THIRD) >= len(load()) / 3


def test_every_file_comes_to_one_end(media_run: MediaRun) -> None:
    media_run.check_whole(TABLE)


@pytest.mark.parametrize("expected", TABLE.values(), ids=TABLE.keys())
def test_a_file_becomes_what_the_table_says(expected: Expectation, media_run: MediaRun) -> None:
    media_run.check(expected)
