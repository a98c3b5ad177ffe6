from collections.abc import AsyncIterator

import pytest

from tests.unit.desktop.core import Core
from vidproc_desktop.services.spawn import Background


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    core = Core()
    background = Background()
    background.spawn(core.outbox.run(), "outbox")
    yield core
    await background.aclose()
    core.pool.close()
