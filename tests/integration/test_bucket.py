"""Files through a bucket, against an object storage that really verifies signatures and their expiry."""

import asyncio
import hashlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest
import urllib3
from obstore.store import S3Store

from resources.sample_maker import SampleSpec
from tests.e2e.command_line import running, sample, vidproc
from tests.fixtures.bucket_server import BucketServer, why_unavailable
from tests.fixtures.part_tasks import assembly_task, segment_task
from tests.fixtures.sent_objects import sent
from tests.fixtures.worker_peers import make_task
from vidproc_desktop.bucket import BucketExchange, BucketOptions
from vidproc_desktop.bucket import exchange as exchange_module
from vidproc_desktop.errors import UserErrorCode, UserFacingError
from workers.protocol.messages import AnyWorkTask, FileTask
from workers.protocol.model import FileId
from workers.protocol.results import AnalysisResult
from workers.protocol.segments import SegmentSpan
from workers.protocol.states import ProcessType
from workers.protocol.transfers import (
    POSTER,
    REPORT,
    SEGMENT_RECORD,
    SEGMENT_VIDEO,
    VIDEO,
    RemoteFiles,
)

ENHANCE = ProcessType.VIDEO_ENHANCEMENT
BUCKET = "films"
SHARED_OUT = AnalysisResult(
    plan_sha256="0" * 64, spans=(SegmentSpan(number=0, first=0, count=10, start_s=0, duration_s=1),)
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    server = BucketServer(tmp_path_factory.mktemp("bucket-server"))
    try:
        server.start()
        url = obstore.sign(store_of(server), "PUT", "", timedelta(seconds=60))
        assert call("PUT", url).status == 200
        yield server
    finally:
        server.close()


@pytest.fixture
def options(server: BucketServer, request: pytest.FixtureRequest) -> BucketOptions:
    """A prefix for each test."""
    prefix = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return BucketOptions(
        bucket=BUCKET,
        access_key=server.access_key,
        secret_key=server.secret_key,
        endpoint=server.endpoint,
        region=server.region,
        prefix=prefix,
    )


@pytest.fixture
async def exchange(options: BucketOptions) -> AsyncIterator[BucketExchange]:
    exchange = BucketExchange(options, "desk")
    await exchange.start()
    yield exchange
    await exchange.aclose()


def store_of(server: BucketServer) -> S3Store:
    return S3Store(
        BUCKET,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        endpoint=server.endpoint,
        region=server.region,
        client_options={"allow_http": True},
    )


def call(method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request(method, url, **more)


def keys_below(server: BucketServer, options: BucketOptions) -> list[str]:
    return sorted(meta["path"] for batch in obstore.list(store_of(server), options.prefix) for meta in batch)


def a_task(folder: Path, *, attempt: int = 1, data: bytes = bytes(range(256)) * 500) -> FileTask:
    source = folder / "a film é.mkv"
    if not source.exists():
        source.write_bytes(data)
    both = (ENHANCE, ProcessType.METADATA_EXTRACTION)
    return make_task(source, folder / "out", client_id="desk", attempt=attempt, process_types=both)


def write(granted: RemoteFiles, name: str, data: bytes) -> None:
    url = next(grant.url for grant in granted.writes if grant.name == name)
    assert call("PUT", url, body=data).status == 200


def test_the_storage_refuses_forged_and_expired_addresses(server: BucketServer) -> None:
    """What all else here rests on: a storage that answers 200 to these would prove nothing."""
    store = store_of(server)
    obstore.put(store, "proof/object", b"bytes")
    good = obstore.sign(store, "GET", "proof/object", timedelta(seconds=60))
    assert call("GET", good).data == b"bytes"
    head, _, signature = good.rpartition("=")
    forged = f"{head}={'0' if signature[0] != '0' else '1'}{signature[1:]}"
    assert call("GET", forged).status == 403
    assert call("GET", good.replace("proof/object", "proof/other")).status == 403
    assert call("PUT", good, body=b"other").status == 403
    brief = obstore.sign(store, "GET", "proof/object", timedelta(seconds=1))
    time.sleep(2.5)
    assert call("GET", brief).status == 403


async def test_a_worker_reads_the_source_in_ranges(exchange: BucketExchange, tmp_path: Path) -> None:
    task = a_task(tmp_path)
    granted = await exchange.grant(task, None)
    answer = await asyncio.to_thread(call, "GET", granted.source_url, headers={"Range": "bytes=1000-1099"})
    assert answer.status == 206
    assert answer.data == (bytes(range(256)) * 500)[1000:1100]
    changed = await asyncio.to_thread(
        call, "GET", granted.source_url, headers={"Range": "bytes=0-9", "If-Match": '"another"'}
    )
    assert changed.status == 412
    assert {grant.name for grant in granted.writes} >= {VIDEO, REPORT, POSTER}
    assert not any(grant.is_resumable for grant in granted.writes)


async def test_what_was_handed_over_arrives_checked(
    exchange: BucketExchange, server: BucketServer, options: BucketOptions, tmp_path: Path
) -> None:
    task = a_task(tmp_path)
    granted = await exchange.grant(task, None)
    video, report = b"v" * 9_000_000, b"{}"
    await asyncio.to_thread(write, granted, VIDEO, video)
    await asyncio.to_thread(write, granted, REPORT, report)
    folder = await exchange.received(task, ENHANCE, [sent(VIDEO, video), sent(REPORT, report)])
    assert folder.parent == tmp_path / "out" / ".vidproc"
    assert (folder / VIDEO).read_bytes() == video
    assert (folder / REPORT).read_bytes() == report
    assert sorted(path.name for path in folder.iterdir()) == [REPORT, VIDEO]
    store = exchange._storage
    exchange._storage = None  # type: ignore[assignment]  # what was fetched before a crash is not fetched again
    assert await exchange.received(task, ENHANCE, [sent(VIDEO, video), sent(REPORT, report)]) == folder
    exchange._storage = store
    await exchange.discard(task, ENHANCE)
    assert not [key for key in keys_below(server, options) if "/sent/" in key]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("lie", [b"", b"w" * 1000, b"v" * 999])
async def test_what_a_worker_lies_about_is_not_taken(
    exchange: BucketExchange, tmp_path: Path, lie: bytes
) -> None:
    task = a_task(tmp_path)
    granted = await exchange.grant(task, None)
    if lie:
        await asyncio.to_thread(write, granted, VIDEO, lie)
    with pytest.raises(LookupError, match=VIDEO):
        await exchange.received(task, ENHANCE, [sent(VIDEO, b"v" * 1000)])
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert left == []


async def test_parts_are_offered_by_their_bytes(
    exchange: BucketExchange, server: BucketServer, options: BucketOptions, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    files = {
        "segment-plan.json": b"plan",
        "side-files.json": b"list",
        "scan.bin": b"scan" * 100,
        "segment-00000.json": b"record",
        "segment-00000-0123456789ab.mp4": b"picture" * 1000,
        ".lock": b"",
    }
    for name, data in files.items():
        (parts / name).write_bytes(data)
    task = a_task(tmp_path)
    segment = await exchange.grant(segment_task(task, SHARED_OUT, 0), parts)
    assert {grant.name for grant in segment.reads} == {"segment-plan.json", "side-files.json", "scan.bin"}
    assert {grant.name for grant in segment.writes} == {SEGMENT_VIDEO, SEGMENT_RECORD}
    assembly = await exchange.grant(assembly_task(task, SHARED_OUT), parts)
    assert {grant.name for grant in assembly.reads} == files.keys() - {".lock"}
    for grant in assembly.reads:
        got = await asyncio.to_thread(call, "GET", grant.url)
        assert got.data == files[grant.name]
        assert grant.sha256 == hashlib.sha256(got.data).hexdigest()
    assert len([key for key in keys_below(server, options) if "/content/" in key]) == 5


async def test_only_this_attempt_and_earlier_ones_are_discarded(
    exchange: BucketExchange, server: BucketServer, options: BucketOptions, tmp_path: Path
) -> None:
    for attempt in (1, 2, 3):
        granted = await exchange.grant(a_task(tmp_path, attempt=attempt), None)
        await asyncio.to_thread(write, granted, REPORT, b"{}")
    await exchange.discard(a_task(tmp_path, attempt=2), ENHANCE)
    left = [key for key in keys_below(server, options) if "/sent/" in key]
    assert [key.split("/")[-2] for key in left] == ["3"]
    await exchange.forget(FileId("file-1"))
    assert keys_below(server, options) == []


async def test_two_desktops_do_not_meet_in_one_bucket(
    exchange: BucketExchange, server: BucketServer, options: BucketOptions, tmp_path: Path
) -> None:
    other = BucketExchange(options, "desk-2")
    await other.start()
    await exchange.grant(a_task(tmp_path), None)
    await other.grant(a_task(tmp_path).model_copy(update={"client_id": "desk-2"}), None)
    await other.forget(FileId("file-1"))
    await other.aclose()
    assert len(keys_below(server, options)) == 1


async def test_a_large_source_does_not_hold_up_the_outbox(options: BucketOptions, tmp_path: Path) -> None:
    exchange = BucketExchange(options, "desk", patience_s=0.0)
    await exchange.start()
    try:
        task = a_task(tmp_path, data=b"x" * 20_000_000)
        with pytest.raises(UserFacingError, match=r"being stored in the bucket: \d+ %"):
            await exchange.grant(task, None)
        granted = await asyncio.wait_for(_as_soon_as_there(exchange, task), 60)
        answer = await asyncio.to_thread(call, "GET", granted.source_url)
        assert len(answer.data) == 20_000_000
    finally:
        await exchange.aclose()


async def test_a_source_that_cannot_be_read_is_told(exchange: BucketExchange, tmp_path: Path) -> None:
    task = a_task(tmp_path)
    (tmp_path / "a film é.mkv").unlink()
    with pytest.raises(UserFacingError, match="cannot be read"):
        await exchange.grant(task, None)


async def test_a_source_that_was_changed_meanwhile_is_not_offered(
    exchange: BucketExchange, server: BucketServer, options: BucketOptions, tmp_path: Path
) -> None:
    task = a_task(tmp_path)
    (tmp_path / "a film é.mkv").write_bytes(b"shorter")
    with pytest.raises(UserFacingError, match="was changed"):
        await exchange.grant(task, None)
    assert keys_below(server, options) == []


@pytest.mark.parametrize(
    "change, code, words",
    [
        ({"secret_key": "wrong"}, UserErrorCode.STORAGE_REFUSED, "secret key"),
        ({"access_key": "test:nobody"}, UserErrorCode.STORAGE_REFUSED, "access key|secret key|denies"),
        ({"bucket": "no-such-bucket"}, UserErrorCode.STORAGE_REFUSED, "not there"),
        ({"endpoint": "http://127.0.0.1:9"}, UserErrorCode.STORAGE_UNREACHABLE, "does not answer"),
    ],
)
async def test_a_bucket_that_cannot_be_used_is_told_in_words(
    options: BucketOptions, change: dict[str, str], code: UserErrorCode, words: str
) -> None:
    exchange = BucketExchange(replace(options, **change), "desk")
    with pytest.raises(UserFacingError, match=words) as raised:
        await exchange.start()
    await exchange.aclose()
    assert raised.value.code is code
    assert "Signature=" not in raised.value.detail


async def test_what_is_old_goes_by_the_storages_clock(
    options: BucketOptions, server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = BucketExchange(options, "desk")
    await first.start()
    await first.grant(a_task(tmp_path), None)
    await first.aclose()
    assert keys_below(server, options)
    monkeypatch.setattr(exchange_module, "KEPT_FOR", timedelta(seconds=-60))
    second = BucketExchange(options, "desk")
    await second.start()
    assert second._cleaner is not None
    await asyncio.wait_for(second._cleaner, 30)
    assert await asyncio.to_thread(keys_below, server, options) == []
    await second.aclose()


async def _as_soon_as_there(exchange: BucketExchange, task: AnyWorkTask) -> RemoteFiles:
    while True:
        try:
            return await exchange.grant(task, None)
        except UserFacingError:
            await asyncio.sleep(0.05)


def test_a_film_in_parts_goes_through_the_bucket(
    server: BucketServer, broker_vhost: str, tmp_path: Path
) -> None:
    """The real program and a worker that never opens the files itself."""
    film = sample(
        tmp_path, SampleSpec(width_px=192, height_px=108, duration_s=9, keyframe_every=25), "film.mp4"
    )
    settings: dict[str, Any] = {
        "VIDPROC_FILE_EXCHANGE": "s3",
        "VIDPROC_S3_BUCKET": BUCKET,
        "VIDPROC_S3_ENDPOINT": server.endpoint,
        "VIDPROC_S3_ACCESS_KEY": server.access_key,
        "VIDPROC_S3_SECRET_KEY": server.secret_key,
        "VIDPROC_SEGMENT_FROM_SECONDS": "6",
        "VIDPROC_SEGMENT_SECONDS": "3",
    }
    with running(
        "worker",
        "--data-dir",
        tmp_path / "elsewhere",
        VIDPROC_RABBITMQ_URL=broker_vhost,
        VIDPROC_DIRECT_FILES="never",
    ) as worker:
        ended = vidproc(
            *("enhance", film, "-o", tmp_path / "out", "--data-dir", tmp_path / "data", "--json"),
            *("--broker", broker_vhost, "--workers", "0"),
            **settings,
        )
        os.kill(worker.process.pid, signal.SIGTERM)
        worker.end()
    assert ended.code == 0, ended.err
    (finished,) = ended.of("finished")
    report = json.loads(Path(finished["report"]).read_text("utf-8"))
    assert report["segments"] == 3
    assert report["output_sha256"] == hashlib.sha256(Path(finished["output"]).read_bytes()).hexdigest()
    assert not (tmp_path / "out" / ".vidproc").exists()
    left = [meta["path"] for batch in obstore.list(store_of(server), "vidproc") for meta in batch]
    assert left == [], "nothing of a finished file stays in the bucket"
