"""The best networks retrained beside the controls, and the verdict."""
