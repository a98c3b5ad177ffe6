"""The window: the only package that knows Qt. It drives a `SessionApi` and shows its events; it decides nothing."""
