"""Looking at a dropped file on behalf of the window, in a child of its own."""

import asyncio
from pathlib import Path
from typing import Final

from workers.config import WorkerConfig
from workers.errors import TaskFailedError
from workers.media.jobs import ProbeOutcome
from workers.protocol.messages import ProbeReply, ProbeTask
from workers.protocol.states import ErrorCode
from workers.runtime.executor import Executor
from workers.runtime.pipe import ProbeJob
from workers.runtime.sources import check_source, confine, path_from_uri, uri_from_path
from workers.runtime.workspace import output_error

PROBE_TIMEOUT_S: Final = 60.0


async def probe(task: ProbeTask, executor: Executor, config: WorkerConfig) -> ProbeReply:
    """Look at a dropped file; what is wrong with it comes back as a value."""
    try:
        source = await asyncio.to_thread(_probe_source, task, config)
        thumbnail = None
        if task.thumbnail_uri is not None:
            thumbnail = await asyncio.to_thread(_thumbnail_path, task.thumbnail_uri, config)
        outcome = await executor.run(ProbeJob(source, thumbnail), timeout_s=PROBE_TIMEOUT_S)
        assert isinstance(outcome, ProbeOutcome)
    except TaskFailedError as error:
        return ProbeReply(file_id=task.file_id, client_id=task.client_id, error=error.to_wire())
    return ProbeReply(
        file_id=task.file_id,
        client_id=task.client_id,
        info=outcome.info,
        summary=outcome.summary,
        thumbnail_uri=None if outcome.thumbnail is None else uri_from_path(outcome.thumbnail),
    )


def _probe_source(task: ProbeTask, config: WorkerConfig) -> Path:
    source = confine(path_from_uri(task.source.uri), config.roots)
    check_source(source, task.source)
    if task.max_size_bytes is not None and task.source.size_bytes > task.max_size_bytes:
        raise TaskFailedError(ErrorCode.FILE_TOO_LARGE, "The file is larger than the limit in the settings.")
    return source


def _thumbnail_path(uri: str, config: WorkerConfig) -> Path:
    path = confine(path_from_uri(uri), config.roots)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, path.parent) from error
    return path
