"""Use cases of the desktop: async, without Qt, over the ports in `ports`."""
