"""What outlives the program: the library in SQLite, and the processing states that several processes share."""
