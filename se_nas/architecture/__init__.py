"""``Architecture``: the value that names a network, and its grammar of names.

architecture   ``Architecture``: stages, JSON, canonical id
names          a value to its name and back
suggestions    the nearest name to a misspelt one
"""
