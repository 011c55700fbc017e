"""The Optuna study, the one source of truth: proposals and outcomes. Never Ray."""
