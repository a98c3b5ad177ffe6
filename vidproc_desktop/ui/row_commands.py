"""What the user can do to the selected rows: wishes for the bridge, the clipboard, the system's programs."""

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QGuiApplication

from vidproc_desktop.ui.bridge import Bridge
from vidproc_desktop.ui.reveal import open_with_system, show_in_folder
from vidproc_desktop.ui.status_line import StatusLine
from vidproc_desktop.ui.task_view import TaskView
from vidproc_desktop.ui.window_actions import Actions, can_retry
from vidproc_desktop.ui.words import count_of, error_report


class RowCommands(QObject):
    """Carries out row actions on whatever is selected in the view."""

    def __init__(self, view: TaskView, bridge: Bridge, status_line: StatusLine) -> None:
        super().__init__(view)
        self._view = view
        self._bridge = bridge
        self._status_line = status_line

    def bind(self, actions: Actions) -> None:
        """Connect the actions that concern rows."""
        actions.open_result.triggered.connect(self.open_results)
        actions.show_in_folder.triggered.connect(self.show_in_folder)
        actions.retry.triggered.connect(self.retry)
        actions.cancel.triggered.connect(self.cancel)
        actions.remove.triggered.connect(self.remove)
        actions.copy_error.triggered.connect(self.copy_errors)
        actions.select_all.triggered.connect(self._view.selectAll)
        actions.clear_finished.triggered.connect(self._bridge.clear_finished)

    def open_results(self) -> None:
        """Open every selected result with the system's player."""
        for record in self._view.selected_records():
            result = record.enhancement_result
            if result is not None and not open_with_system(QUrl(result.output_uri).toLocalFile()):
                self._status_line.say("No program could be started for this file.")

    def show_in_folder(self) -> None:
        """Show the result, or the source while there is none."""
        record = self._view.current_record()
        if record is None:
            return
        result = record.enhancement_result
        path = QUrl(result.output_uri).toLocalFile() if result else record.source_path
        if not show_in_folder(path, self):
            self._status_line.say(f"No file manager could be started. The file is {path}")

    def retry(self) -> None:
        """Failed and cancelled files again."""
        self._bridge.retry([record.file_id for record in self._view.selected_records() if can_retry(record)])

    def cancel(self) -> None:
        """Stop what has not finished."""
        running = [record for record in self._view.selected_records() if not record.is_finished]
        self._bridge.cancel([record.file_id for record in running])

    def remove(self) -> None:
        """Take rows off the list."""
        self._bridge.remove([record.file_id for record in self._view.selected_records()])

    def copy_errors(self) -> None:
        """What went wrong, with the last lines of the log, to the clipboard."""
        records = self._view.selected_records()
        QGuiApplication.clipboard().setText("\n\n".join(error_report(record) for record in records))
        self._status_line.say(f"Copied the report of {count_of(len(records), 'file')}")
