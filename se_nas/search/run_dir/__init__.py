"""One run on disk: its files, its lock, and what a driver that takes it up may change."""
