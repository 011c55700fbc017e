"""The exact cost of a network, by arithmetic.

layer_cost     one formula for each kind of layer
network_cost   ``cost`` of an architecture, and of its parts
"""

from se_nas.cost.network_cost import Cost, Price, cost, parts

__all__ = ["Cost", "Price", "cost", "parts"]
