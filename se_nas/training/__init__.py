"""Training and evaluation of one network.

recipes      ``Recipe``, and those with a name
optimizer    learning rates, precision, frozen norms
train        ``Training``: an epoch at a time
evaluation   accuracy and cross-entropy
custom       the interface of a user's own training function
"""
