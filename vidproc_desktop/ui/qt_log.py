"""Qt's own messages go to the program's log instead of the terminal, and so does nothing of FFmpeg's chatter."""

import ctypes
import logging
import os
import sys
from pathlib import Path

import PySide6
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_log = logging.getLogger(__name__)

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.DEBUG,
    QtMsgType.QtWarningMsg: logging.INFO,
    QtMsgType.QtCriticalMsg: logging.WARNING,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_AV_LOG_FATAL = 8
"""`AV_LOG_FATAL` of libavutil/log.h."""


def log_qt_messages() -> None:
    """From now on Qt writes to the logger `vidproc_desktop.ui.qt_log`."""
    qInstallMessageHandler(_write)


def quieten_player() -> None:
    """Stop the FFmpeg inside Qt's player from printing stream facts and decoder trials on standard error.

    Qt offers no switch for it. Only a library that the player has loaded already is touched; where that cannot be
    told, nothing happens.
    """
    if sys.platform != "linux":
        return
    for library in sorted((Path(PySide6.__file__).parent / "Qt" / "lib").glob("libavutil.so.*")):
        try:
            loaded = ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        except OSError:
            continue
        loaded.av_log_set_level(_AV_LOG_FATAL)
        return


def _write(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    _log.log(_LEVELS.get(kind, logging.INFO), "%s: %s", context.category or "qt", message)
