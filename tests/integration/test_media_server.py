"""The media server as the program starts it: a process of its own, asked over TLS as a worker would."""

import asyncio
import gc
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from tests.fixtures.media_server import options_in
from tests.fixtures.sent_objects import sent
from tests.fixtures.worker_peers import make_task
from vidproc_desktop.server import MediaServerExchange
from vidproc_desktop.server.claims import ReadClaims, WriteClaims, sign
from workers.protocol.messages import FileTask
from workers.protocol.states import ProcessType
from workers.protocol.transfers import REPORT, VIDEO, RemoteFiles

ENHANCE = ProcessType.VIDEO_ENHANCEMENT
FILM = bytes(range(256)) * 20_000


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[MediaServerExchange]:
    exchange = MediaServerExchange(options_in(tmp_path))
    await exchange.start()
    yield exchange
    await exchange.aclose()


def a_task(folder: Path, *, attempt: int = 1) -> FileTask:
    source = folder / "Ein Film – 1 %.mkv"
    if not source.exists():
        source.write_bytes(FILM)
    both = (ENHANCE, ProcessType.METADATA_EXTRACTION)
    return make_task(source, folder / "out", attempt=attempt, process_types=both)


def call(granted: RemoteFiles, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(
        retries=False, timeout=30, cert_reqs="CERT_NONE", assert_fingerprint=granted.certificate_sha256
    ) as pool:
        return pool.request(method, url, **more)


def address(granted: RemoteFiles, name: str) -> str:
    return next(grant.url for grant in granted.writes if grant.name == name)


def block(data: bytes, first: int, last: int, *, digest: bytes | None = None) -> dict[str, str]:
    headers = {"Content-Range": f"bytes {first}-{last - 1}/{len(data)}"}
    if last == len(data) or digest is not None:
        shown = b64encode(digest or hashlib.sha256(data).digest()).decode()
        headers["Repr-Digest"] = f"sha-256=:{shown}:"
    return headers


def put(granted: RemoteFiles, name: str, data: bytes, first: int, last: int) -> urllib3.BaseHTTPResponse:
    body, headers = data[first:last], block(data, first, last)
    return call(granted, "PUT", address(granted, name), body=body, headers=headers)


async def test_ranges_of_the_source(exchange: MediaServerExchange, tmp_path: Path) -> None:
    granted = await exchange.grant(a_task(tmp_path), None)

    def get(**headers: str) -> urllib3.BaseHTTPResponse:
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(granted, "GET", granted.source_url, headers=shown)

    def ask() -> None:
        whole = get()
        assert (whole.status, whole.data) == (200, FILM)
        part = get(Range="bytes=1000-1999", If_Match=whole.headers["ETag"])
        assert (part.status, part.data) == (206, FILM[1000:2000])
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(FILM)}"
        assert get(Range=f"bytes={len(FILM) - 5}-").data == FILM[-5:]
        assert get(Range="bytes=-7").data == FILM[-7:]
        assert get(Range=f"bytes=10-{len(FILM) * 2}").data == FILM[10:]
        assert get(Range=f"bytes={len(FILM)}-").status == 416
        assert get(Range="bytes=0-1", If_Match='"another"').status == 412
        head = call(granted, "HEAD", granted.source_url)
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(FILM)))

    await asyncio.to_thread(ask)


async def test_a_source_that_was_changed(exchange: MediaServerExchange, tmp_path: Path) -> None:
    granted = await exchange.grant(a_task(tmp_path), None)
    source = tmp_path / "Ein Film – 1 %.mkv"
    os.utime(source, ns=(1, 1))
    assert (await asyncio.to_thread(call, granted, "GET", granted.source_url)).status == 412
    source.unlink()
    assert (await asyncio.to_thread(call, granted, "GET", granted.source_url)).status == 404
    source.mkdir()
    assert (await asyncio.to_thread(call, granted, "GET", granted.source_url)).status == 404


async def test_nothing_but_what_was_signed(exchange: MediaServerExchange, tmp_path: Path) -> None:
    granted = await exchange.grant(a_task(tmp_path), None)
    read, write = granted.source_url, address(granted, REPORT)
    base, _, token = read.rpartition("/")
    secret = bytes.fromhex((tmp_path / "server" / "secret").read_text())
    past = ReadClaims(path="/etc/passwd", size_bytes=1, mtime_ns=1, expires_at=time.time() - 1)
    foreign = ReadClaims(path="/etc/passwd", size_bytes=1, mtime_ns=1, expires_at=time.time() + 100)
    late = WriteClaims(folder=str(tmp_path), name="x", limit_bytes=9, expires_at=time.time() - 1)
    forged = [
        ("GET", base + "/" + sign(past, secret)),
        ("GET", base + "/" + sign(foreign, b"\0" * 32)),
        ("GET", write.replace("/write/", "/read/")),
        ("PUT", read.replace("/read/", "/write/")),
        ("HEAD", read.replace("/read/", "/write/")),
        ("PUT", write.rpartition("/")[0] + "/" + sign(late, secret)),
        ("GET", f"{base}/{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"),
        ("GET", f"{base}/{token.replace('.', '')}"),
        ("GET", base + "/x"),
    ]
    for method, url in forged:
        body = {"body": b"x"} if method == "PUT" else {}
        digest = b64encode(hashlib.sha256(b"x").digest()).decode()
        answer = await asyncio.to_thread(
            call, granted, method, url, headers={"Repr-Digest": f"sha-256=:{digest}:"}, **body
        )
        assert answer.status == 403, (method, answer.status)
        assert b"/" not in answer.data
    assert not (tmp_path / "x").exists()
    for path in ("/", "/docs", "/openapi.json", "/v1/read/", "/v1/read/../../etc/passwd"):
        url = read.partition("/v1/")[0] + path
        assert (await asyncio.to_thread(call, granted, "GET", url)).status in {403, 404}


async def test_an_object_in_blocks(exchange: MediaServerExchange, tmp_path: Path) -> None:
    task, data = a_task(tmp_path), os.urandom(3_000_000)
    granted = await exchange.grant(task, None)

    def hand_over() -> None:
        url = address(granted, VIDEO)
        assert call(granted, "HEAD", url).headers["Upload-Offset"] == "0"
        first = put(granted, VIDEO, data, 0, 1_000_000)
        assert (first.status, first.headers["Upload-Offset"]) == (200, "1000000")
        wrong = put(granted, VIDEO, data, 2_000_000, 3_000_000)
        assert (wrong.status, wrong.headers["Upload-Offset"]) == (409, "1000000")
        assert call(granted, "HEAD", url).headers["Upload-Offset"] == "1000000"
        assert put(granted, VIDEO, data, 1_000_000, 2_999_999).status == 200
        last = put(granted, VIDEO, data, 2_999_999, 3_000_000)
        assert (last.status, last.headers["Upload-Offset"]) == (201, "3000000")
        whole = call(granted, "HEAD", url)
        assert whole.headers["Repr-Digest"] == block(data, 0, len(data))["Repr-Digest"]

    with pytest.raises(LookupError):
        await exchange.received(task, ENHANCE, [sent(VIDEO, data)])
    await asyncio.to_thread(hand_over)
    folder = await exchange.received(task, ENHANCE, [sent(VIDEO, data)])
    assert [path.name for path in folder.iterdir()] == [VIDEO]
    assert (folder / VIDEO).read_bytes() == data
    with pytest.raises(LookupError, match="another"):
        await exchange.received(task, ENHANCE, [sent(VIDEO, data[:-1] + b"?")])
    await exchange.discard(task.model_copy(update={"attempt": 2}), ENHANCE)
    assert not folder.exists()


async def test_bytes_that_are_not_those_announced(exchange: MediaServerExchange, tmp_path: Path) -> None:
    granted = await exchange.grant(a_task(tmp_path), None)

    def hand_over() -> None:
        url, data = address(granted, REPORT), b"x" * 1000
        wrong = block(data, 0, 1000, digest=b"\1" * 32)
        answer = call(granted, "PUT", url, body=data, headers=wrong)
        assert (answer.status, answer.headers["Upload-Offset"]) == (422, "0")
        assert call(granted, "HEAD", url).headers["Upload-Offset"] == "0"
        for headers, status in (
            ({"Content-Range": "bytes 0-9/1000"}, 400),
            ({"Content-Range": "bytes 0-999/999"}, 400),
            ({"Content-Range": "lines 0-999/1000"}, 400),
            ({}, 400),
            ({**block(data, 0, 1000), "Content-Range": "bytes 0-999/99999999999999"}, 413),
        ):
            assert call(granted, "PUT", url, body=data, headers=headers).status == status, headers
        assert put(granted, REPORT, data, 0, 1000).status == 201

    await asyncio.to_thread(hand_over)


async def test_a_broken_connection_costs_only_what_was_on_its_way(
    exchange: MediaServerExchange, tmp_path: Path
) -> None:
    data = os.urandom(6_000_000)
    granted = await exchange.grant(a_task(tmp_path), None)

    def break_off() -> int:
        url = urllib3.util.parse_url(address(granted, VIDEO))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        headers = "".join(f"{k}: {v}\r\n" for k, v in block(data, 0, len(data)).items())
        head = f"PUT {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
        with socket.create_connection((str(url.host), int(url.port or 0))) as raw:
            stream = context.wrap_socket(raw)
            stream.sendall(head.encode() + data[:4_000_000])
            time.sleep(0.5)
            stream.close()
        deadline = time.monotonic() + 20
        while True:
            offset = int(call(granted, "HEAD", address(granted, VIDEO)).headers["Upload-Offset"])
            if offset or time.monotonic() > deadline:
                return offset
            time.sleep(0.05)

    offset = await asyncio.to_thread(break_off)
    assert 0 < offset <= 4_000_000
    answer = await asyncio.to_thread(put, granted, VIDEO, data, offset, len(data))
    assert answer.status in {201, 423}
    if answer.status == 423:
        await asyncio.sleep(1)
        offset = int(
            (await asyncio.to_thread(call, granted, "HEAD", address(granted, VIDEO))).headers["Upload-Offset"]
        )
        answer = await asyncio.to_thread(put, granted, VIDEO, data, offset, len(data))
    assert answer.status == 201


# urllib3 leaves the socket of a handshake that failed to the collector: it comes here, and not in a later test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_killed_server_comes_back_on_the_same_port(
    exchange: MediaServerExchange, tmp_path: Path
) -> None:
    task, data = a_task(tmp_path), os.urandom(2_000_000)
    granted = await exchange.grant(task, None)
    assert (await asyncio.to_thread(put, granted, VIDEO, data, 0, 1_000_000)).status == 200
    killed = exchange.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    def go_on() -> urllib3.BaseHTTPResponse:
        deadline = time.monotonic() + 30
        while True:
            try:
                offset = int(call(granted, "HEAD", address(granted, VIDEO)).headers["Upload-Offset"])
                return put(granted, VIDEO, data, offset, len(data))
            except urllib3.exceptions.HTTPError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    assert (await asyncio.to_thread(go_on)).status == 201
    assert exchange.pid not in {None, killed}
    assert (await exchange.received(task, ENHANCE, [sent(VIDEO, data)])).is_dir()
    gc.collect()


async def test_addresses_outlive_the_program(tmp_path: Path) -> None:
    first = MediaServerExchange(options_in(tmp_path))
    await first.start()
    granted = await first.grant(a_task(tmp_path), None)
    await first.aclose()
    assert first.pid is None
    second = MediaServerExchange(options_in(tmp_path))
    await second.start()
    answer = await asyncio.to_thread(call, granted, "GET", granted.source_url, headers={"Range": "bytes=0-3"})
    await second.aclose()
    assert answer.data == FILM[:4]
    assert (tmp_path / "server" / "secret").stat().st_mode & 0o077 == 0
    assert (tmp_path / "server" / "certificate.pem").stat().st_mode & 0o077 == 0


async def test_two_programs_side_by_side(exchange: MediaServerExchange, tmp_path: Path) -> None:
    other = MediaServerExchange(
        replace(options_in(tmp_path), port=int((tmp_path / "server" / "port").read_text()))
    )
    await other.start()
    granted = await other.grant(a_task(tmp_path), None)
    answer = await asyncio.to_thread(call, granted, "HEAD", granted.source_url)
    await other.aclose()
    assert answer.status == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("only root mounts a small disk")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=102M", "none", str(out)], check=True)
    yield out
    subprocess.run(["umount", str(out)], check=True)


async def test_a_full_disk(exchange: MediaServerExchange, tmp_path: Path, small_disk: Path) -> None:
    data = os.urandom(8_000_000)
    granted = await exchange.grant(a_task(tmp_path), None)
    assert (await asyncio.to_thread(put, granted, VIDEO, data, 0, len(data))).status == 507
    assert shutil.disk_usage(small_disk).used < 1_000_000


def test_the_server_ends_with_the_program_that_started_it(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; "
        "from tests.fixtures.media_server import options_in; "
        "from vidproc_desktop.server import MediaServerExchange\n"
        "async def main():\n"
        "    exchange = MediaServerExchange(options_in(Path(sys.argv[1])))\n"
        "    await exchange.start()\n"
        "    print(exchange.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as desk:
        assert desk.stdout is not None
        server = psutil.Process(json.loads(desk.stdout.readline()))
        desk.kill()
    server.wait(10)


async def test_the_secret_is_nowhere_to_be_seen(exchange: MediaServerExchange, tmp_path: Path) -> None:
    secret = (tmp_path / "server" / "secret").read_text()
    process = psutil.Process(exchange.pid)
    assert secret not in " ".join(process.cmdline()) + str(process.environ())
    granted = await exchange.grant(a_task(tmp_path), None)
    await asyncio.to_thread(call, granted, "GET", granted.source_url)
    log = tmp_path / "log" / "media-server.log"
    assert not log.exists() or granted.source_url.rpartition("/")[2] not in log.read_text()
