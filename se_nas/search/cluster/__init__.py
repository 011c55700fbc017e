"""Ray: its environment, the connection to a cluster, and how trials share it."""
