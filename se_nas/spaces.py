"""The public path of ``load_space``; the code is in ``se_nas.space.space_files``."""

from se_nas.space.space_files import load_space, space_files

__all__ = ["load_space", "space_files"]
