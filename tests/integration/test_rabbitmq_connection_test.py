"""“Test connection” says in words what is wrong, for every thing that can be, and gives away no password."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fixtures.rabbitmq_node import RabbitMQNode, free_ports
from tests.integration.broker_samples import leave, plain_channel
from vidproc_desktop.broker import rabbitmq
from vidproc_desktop.broker.rabbitmq.address import parse_address
from vidproc_desktop.broker.rabbitmq.link import Link, LinkTiming
from vidproc_desktop.domain.workers import ConnectionReport
from workers.protocol import topology


async def _report(url: str) -> ConnectionReport:
    async with asyncio.timeout(8):
        report = await rabbitmq.test_connection(url)
    assert "s3cret" not in report.message + report.hint
    return report


@asynccontextmanager
async def _server(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[int]:
    """Something that listens and is no broker; None: it stays silent."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = answer(await reader.read(64))
        if said is None:
            await ended.wait()
        else:
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()
        await asyncio.sleep(0)
        await server.wait_closed()


async def test_a_broker_is_reached(broker_vhost: str) -> None:
    report = await _report(broker_vhost)
    assert report.is_ok
    assert report.message.startswith("RabbitMQ 3.")
    assert "no worker" in report.message


async def test_workers_are_counted(broker_vhost: str) -> None:
    await _report(broker_vhost)
    async with plain_channel(broker_vhost) as channel:
        await (await channel.get_queue(topology.ENHANCEMENT_QUEUE.name)).consume(leave)
        assert "1 worker is there" in (await _report(broker_vhost)).message


@pytest.mark.parametrize(
    "url, word",
    [
        ("", "amqp://"),
        ("broker.example", "amqp://"),
        ("localhost:5672", "amqp://"),
        ("http://user:s3cret@127.0.0.1:15672/", "web page"),
        ("redis://127.0.0.1/", "redis"),
        ("amqp://", "no computer"),
        ("amqp://user:s3cret@/", "no computer"),
        ("amqp://127.0.0.1:99999/", "port"),
        ("amqp://127.0.0.1:abc/", "port"),
        ("amqp://user:s3cret#x@127.0.0.1/", ""),
        ("amqp://127.0.0.1/a/b", "virtual host"),
        ("amqp://[::1/", "cannot be read"),
    ],
)
async def test_what_is_no_address(url: str, word: str) -> None:
    report = await _report(url)
    assert not report.is_ok
    assert word in report.message
    assert report.hint


async def test_a_name_that_nobody_has() -> None:
    report = await _report("amqp://user:s3cret@no-such-computer.invalid/")
    assert not report.is_ok
    assert "no-such-computer.invalid" in report.message


async def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    report = await _report(f"amqp://user:s3cret@127.0.0.1:{port}/")
    assert not report.is_ok
    assert f"Nothing listens on port {port}" in report.message


async def test_a_wrong_password(rabbitmq_node: RabbitMQNode) -> None:
    report = await _report(f"amqp://somebody:s3cret@127.0.0.1:{rabbitmq_node.port}/")
    assert not report.is_ok
    assert "refused the login of “somebody”" in report.message


async def test_a_virtual_host_that_is_missing(rabbitmq_node: RabbitMQNode) -> None:
    report = await _report(f"{rabbitmq_node.url}no-such-place")
    assert not report.is_ok
    assert "virtual host “no-such-place”" in report.message


async def test_a_user_without_rights(rabbitmq_node: RabbitMQNode, broker_vhost: str) -> None:
    vhost = broker_vhost.rsplit("/", 1)[1]
    await asyncio.to_thread(rabbitmq_node.ctl, "add_user", "reader", "s3cret")
    try:
        await asyncio.to_thread(rabbitmq_node.ctl, "set_permissions", "-p", vhost, "reader", "^$", "^$", ".*")
        report = await _report(f"amqp://reader:s3cret@127.0.0.1:{rabbitmq_node.port}/{vhost}")
    finally:
        await asyncio.to_thread(rabbitmq_node.ctl, "delete_user", "reader")
    assert not report.is_ok
    assert "may not create or use the queues" in report.message
    assert "set_permissions" in report.hint


async def test_a_queue_of_the_same_name_with_other_properties(broker_vhost: str) -> None:
    async with plain_channel(broker_vhost) as channel:
        await channel.declare_queue(topology.METADATA_QUEUE.name, durable=True)
    report = await _report(broker_vhost)
    assert not report.is_ok
    assert "other properties" in report.message


async def test_a_web_server() -> None:
    async with _server(lambda _said: b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        report = await _report(f"amqp://user:s3cret@127.0.0.1:{port}/")
    assert not report.is_ok
    assert "web server" in report.message
    assert "5672" in report.hint


async def test_another_version_of_amqp() -> None:
    async with _server(lambda _said: b"AMQP\x03\x01\x00\x00") as port:
        report = await _report(f"amqp://127.0.0.1:{port}/")
    assert not report.is_ok
    assert "another version of AMQP" in report.message


@pytest.mark.parametrize("answer", [b"", b"220 mail ready\r\n"])
async def test_something_else(answer: bytes) -> None:
    async with _server(lambda _said: answer) as port:
        report = await _report(f"amqp://127.0.0.1:{port}/")
    assert not report.is_ok
    assert "not RabbitMQ" in report.message


async def test_silence() -> None:
    async with _server(lambda _said: None) as port:
        report = await _report(f"amqp://user:s3cret@127.0.0.1:{port}/")
    assert not report.is_ok
    assert report.message == f"Something listens on 127.0.0.1:{port}, but it does not speak AMQP."
    assert "5672" in report.hint


async def test_silence_is_told_while_the_client_tries_again() -> None:
    changed = asyncio.Event()

    async def set_up(_connection: object) -> None:
        raise AssertionError("nothing was opened")

    async with _server(lambda _said: None) as port:
        address = parse_address(f"amqp://user:s3cret@127.0.0.1:{port}/")
        link = Link(address, name="test", set_up=set_up, on_change=changed.set, timing=LinkTiming(open_s=0.2))
        link.start()
        try:
            async with asyncio.timeout(8):
                await changed.wait()
        finally:
            await link.aclose()
    assert link.fault is not None
    assert "does not speak AMQP" in link.fault.title


async def test_a_computer_that_swallows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_connection(*_where: object, **_how: object) -> None:
        raise TimeoutError  # what the system says when a firewall drops every packet

    monkeypatch.setattr(asyncio, "open_connection", open_connection)
    report = await _report("amqp://user:s3cret@127.0.0.1:5672/")
    assert "does not answer" in report.message


async def test_a_frozen_broker(rabbitmq_node: RabbitMQNode) -> None:
    rabbitmq_node.pause()
    report = await _report(rabbitmq_node.url)
    assert not report.is_ok
    assert "does not speak AMQP" in report.message
    assert "hangs" in report.hint


async def test_encryption_where_there_is_none(rabbitmq_node: RabbitMQNode) -> None:
    report = await _report(rabbitmq_node.url.replace("amqp://", "amqps://"))
    assert not report.is_ok
    assert "does not speak TLS" in report.message
    assert "amqp://" in report.hint


async def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-days", "1", "-nodes", "-newkey", "rsa:2048"]
    made = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", *subject, "-keyout", str(key), "-out", str(certificate),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    try:
        untrusted = await _report(f"amqps://user:s3cret@localhost:{port}/")
        plain = await _report(f"amqp://user:s3cret@localhost:{port}/")
    finally:
        server.close()
    assert not untrusted.is_ok
    assert "certificate" in untrusted.message
    assert "cafile" in untrusted.hint
    assert not plain.is_ok
    assert "not RabbitMQ" in plain.message or "wants encryption" in plain.message
