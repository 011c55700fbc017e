"""The exact cost of a network, by arithmetic."""

from se_nas.cost.network_cost import Cost, Price, cost, parts

__all__ = ["Cost", "Price", "cost", "parts"]
