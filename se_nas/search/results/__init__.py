"""What a search writes and prints at its end."""
