"""Whole models: built by name, loaded, saved and exported."""
