"""Search spaces as values: templates, constraints, objectives."""

from se_nas.space.space import Space, trunk

__all__ = ["Space", "trunk"]
