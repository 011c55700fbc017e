"""The listed models, and the paper's tables of them.

zoo      names of the models, rows of the paper's tables
tables   those tables, and a network's, to print
"""

from se_nas.zoo.zoo import ABLATIONS, PaperRow, names, table

__all__ = ["ABLATIONS", "PaperRow", "names", "table"]
