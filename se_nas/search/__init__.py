"""The search: an Optuna study proposes, Ray Tune trains, the study is the one source of truth.

Only this package imports ray and optuna. ``run.py`` is the way through it.
"""
