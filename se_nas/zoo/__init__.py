"""The listed models, and the paper's tables of them."""

from se_nas.zoo.zoo import ABLATIONS, PaperRow, names, table

__all__ = ["ABLATIONS", "PaperRow", "names", "table"]
