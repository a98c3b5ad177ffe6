"""Where in the bucket an object lies. Pure.

<prefix>/<client>/<file>/source-<size>-<time>                       the source, as the task names it
<prefix>/<client>/<file>/content/<sha256>                           a file of the parts' folder, named by its bytes
<prefix>/<client>/<file>/sent/<process>-<part>/<attempt>/<name>     what an attempt hands over
"""

from dataclasses import dataclass

from workers.protocol.messages import AnyWorkTask
from workers.protocol.segments import Sha256
from workers.protocol.states import ProcessType
from workers.protocol.transfers import ObjectName


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one client's objects below a prefix that all of this program's objects have."""

    prefix: str
    client_id: str

    @property
    def client(self) -> str:
        """Everything of the client."""
        return "/".join(part for part in (self.prefix.strip("/"), self.client_id) if part)

    def file(self, file_id: str) -> str:
        """Everything of one file."""
        return f"{self.client}/{file_id}"

    def source(self, task: AnyWorkTask) -> str:
        """The source: another key when the file has changed."""
        return f"{self.file(task.file_id)}/source-{task.source.size_bytes}-{task.source.mtime_ns}"

    def content(self, task: AnyWorkTask, sha256: Sha256) -> str:
        """One file of the parts' folder."""
        return f"{self.file(task.file_id)}/content/{sha256}"

    def sent_of_task(self, task: AnyWorkTask, process_type: ProcessType) -> str:
        """What all attempts at a task hand over."""
        return f"{self.file(task.file_id)}/sent/{process_type.value}-{task.part or 'whole'}"

    def sent(self, task: AnyWorkTask, process_type: ProcessType, name: ObjectName) -> str:
        """One object of one attempt."""
        return f"{self.sent_of_task(task, process_type)}/{task.attempt}/{name}"

    def attempt_of(self, key: str, task: AnyWorkTask, process_type: ProcessType) -> int | None:
        """Which attempt at the task an object was sent by; None when it is none of them."""
        rest = key.removeprefix(self.sent_of_task(task, process_type) + "/")
        number = rest.partition("/")[0]
        return int(number) if rest != key and number.isascii() and number.isdigit() else None
