"""Optuna, the one source of truth: what is proposed, and what is told. Never Ray."""
