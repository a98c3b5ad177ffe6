"""The worker that makes a video better: takes tasks from `video_enhancement_queue`, or over stdio."""

from typing import Any

from workers.protocol.messages import AnyWorkTask
from workers.protocol.states import ProcessType
from workers.transport.queue_worker import QueueWorker


class VideoEnhancementWorker(QueueWorker):
    """Enhances videos. `startup()`, `connect()`, `start_consuming()`, and `close()` at the end."""

    process_type = ProcessType.VIDEO_ENHANCEMENT

    async def enhance_video(self, message: dict[str, Any] | AnyWorkTask) -> dict[str, Any]:
        """Enhance one video and publish the result under its final name, or do one part of that.

        Args:
            message: a file task, the task of a part, or the same as a dictionary; one without a type is a file task.

        Returns:
            The fields of `EnhancementResult`; for a part those of `AnalysisResult` or `SegmentResult`.

        Raises:
            TaskFailedError: the attempt cannot succeed; its code says why.
            ValueError: the message is no such task.
        """
        return await self._host.run_directly(message)
