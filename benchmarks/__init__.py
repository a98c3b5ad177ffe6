"""Speed, quality and scale, each measured against a named peer in the same run."""
