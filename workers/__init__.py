"""Headless workers: they enhance videos and extract their metadata. They know nothing of any window."""

__version__ = "0.1.0"
