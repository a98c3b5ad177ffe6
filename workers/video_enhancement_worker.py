"""The worker that makes a video better: takes file tasks from `video_enhancement_queue`, or over stdio."""

from typing import Any

from workers.protocol.messages import FileTask
from workers.protocol.states import ProcessType
from workers.transport.queue_worker import QueueWorker


class VideoEnhancementWorker(QueueWorker):
    """Enhances videos. `startup()`, `connect()`, `start_consuming()`, and `close()` at the end."""

    process_type = ProcessType.VIDEO_ENHANCEMENT

    async def enhance_video(self, message: dict[str, Any] | FileTask) -> dict[str, Any]:
        """Enhance one video and publish the result under its final name.

        Args:
            message: a file task, or the same as a dictionary.

        Returns:
            The fields of `EnhancementResult`.

        Raises:
            TaskFailedError: the attempt cannot succeed; its code says why.
        """
        return await self._host.run_directly(message)
