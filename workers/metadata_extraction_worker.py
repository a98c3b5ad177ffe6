"""The worker that says what is in a video: takes file tasks from `metadata_extraction_queue`, or over stdio."""

from typing import Any

from workers.protocol.messages import FileTask
from workers.protocol.states import ProcessType
from workers.transport.queue_worker import QueueWorker


class MetadataExtractionWorker(QueueWorker):
    """Reads facts and pictures. `startup()`, `connect()`, `start_consuming()`, and `close()` at the end."""

    process_type = ProcessType.METADATA_EXTRACTION

    async def extract_metadata(self, message: dict[str, Any] | FileTask) -> dict[str, Any]:
        """Read one video and publish the metadata document and its pictures.

        Args:
            message: a file task, or the same as a dictionary.

        Returns:
            The fields of `MetadataResult`.

        Raises:
            TaskFailedError: the attempt cannot succeed; its code says why.
            ValueError: the message is no file task.
        """
        return await self._host.run_directly(message)
