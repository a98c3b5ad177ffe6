"""Shows a file in the system's file manager, selected where that is possible."""

import os
import sys
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QUrl
from PySide6.QtDBus import QDBusConnection, QDBusMessage, QDBusPendingCallWatcher
from PySide6.QtGui import QDesktopServices

_FILE_MANAGER = "org.freedesktop.FileManager1"
_FILE_MANAGER_PATH = "/org/freedesktop/FileManager1"


def open_with_system(path: str) -> bool:
    """Open a file or folder with the program that the system has for it."""
    return QDesktopServices.openUrl(QUrl.fromLocalFile(path))


def show_in_folder(path: str, owner: QObject) -> bool:
    """Show the file in its folder. False when nothing could be started.

    Args:
        path: the file.
        owner: keeps the watcher of an answer that comes later.
    """
    if sys.platform == "win32":
        # Explorer wants the switch and the quoted path as one argument.
        process = QProcess()
        process.setProgram("explorer.exe")
        process.setArguments([f"/select,{Path(path)}"])
        return bool(process.startDetached()[0])
    if sys.platform == "darwin":
        return bool(QProcess.startDetached("open", ["-R", path])[0])
    if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return _ask_file_manager(path, owner)
    return open_with_system(str(Path(path).parent))


def _ask_file_manager(path: str, owner: QObject) -> bool:
    bus = QDBusConnection.sessionBus()
    if not bus.isConnected():
        return open_with_system(str(Path(path).parent))
    message = QDBusMessage.createMethodCall(_FILE_MANAGER, _FILE_MANAGER_PATH, _FILE_MANAGER, "ShowItems")
    message.setArguments([[QUrl.fromLocalFile(path).toString()], ""])
    watcher = QDBusPendingCallWatcher(bus.asyncCall(message), owner)

    def answered(finished: QDBusPendingCallWatcher) -> None:
        if finished.isError():
            open_with_system(str(Path(path).parent))
        finished.deleteLater()

    watcher.finished.connect(answered)
    return True
