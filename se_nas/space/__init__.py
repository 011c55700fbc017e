"""Search spaces as values: templates, constraints, objectives.

space           ``Space``: drawing, membership, JSON
templates       draw, count, list and match the values of a template
template_json   templates as JSON values
checks          a space's templates, alone and together
objectives      constraints and objectives
space_files     spaces by name or from a user's file
"""

from se_nas.space.space import Space, trunk

__all__ = ["Space", "trunk"]
