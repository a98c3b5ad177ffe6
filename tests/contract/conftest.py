"""The brokers that the contract runs on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.benches import BENCHES, Bench


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """A broker with workers behind it; to be started."""
    url = str(request.getfixturevalue("broker_vhost")) if request.param == "rabbitmq" else None
    bench = BENCHES[request.param](tmp_path, url)
    yield bench
    await bench.aclose()
