"""The results of a search: written, printed, and read back as a value."""
