"""SE-Bench: a table of small networks that differ in their SE, trained three times each.

space   the search space whose networks the table has
"""
