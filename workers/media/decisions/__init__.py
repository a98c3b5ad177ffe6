"""One decision for each picture step: taken with these numbers, or left out, and why. Pure."""
