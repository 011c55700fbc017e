"""SE-Bench: a table of small networks that differ in their SE, trained three times each.

space     the search space whose networks the table has
table     its networks with their trainings, read from a file
workers   a clock on which searches are replayed
"""

from se_nas.bench.table import Network, SEBench, Training, load
from se_nas.bench.workers import SimulatedWorkers

__all__ = ["Network", "SEBench", "SimulatedWorkers", "Training", "load"]
