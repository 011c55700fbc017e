"""``Architecture``: the value that names a network, and its grammar of names."""
