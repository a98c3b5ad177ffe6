"""A connection to a broker that failed leaves nothing that complains when it is collected after the loop has ended."""

import asyncio
import gc
import logging
import warnings
from collections.abc import Awaitable, Callable

import pytest

from tests.fixtures.rabbitmq_node import free_ports
from vidproc_desktop.broker.rabbitmq import opening
from vidproc_desktop.broker.rabbitmq.address import parse_address
from workers.transport.amqp import connecting


async def _from_the_desktop(url: str) -> object:
    return await opening.open_connection(parse_address(url), "test")


async def _from_a_worker(url: str) -> object:
    return await connecting.open_connection(url, "test")


@pytest.mark.parametrize("connect", [_from_the_desktop, _from_a_worker])
def test_a_failed_connection_is_closed_while_the_loop_runs(
    connect: Callable[[str], Awaitable[object]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "aiormq")  # a captured record would keep the error alive

    async def fail() -> BaseException:
        (port,) = free_ports(1)
        try:
            await connect(f"amqp://127.0.0.1:{port}/")
        except ConnectionError as error:
            return error  # its traceback holds the connection, as the log or the cause of another error would
        raise AssertionError("somebody listens there")

    loop = asyncio.new_event_loop()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            error: BaseException | None = loop.run_until_complete(fail())
            assert error is not None
            asyncio.set_event_loop(None)
            error = None
            gc.collect()
        assert [str(warning.message) for warning in said if "Connection" in str(warning.message)] == []
    finally:
        loop.close()
