"""Source and enhanced result side by side, or one behind the other."""
