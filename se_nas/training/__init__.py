"""Training and evaluation of one network.

recipe         ``Recipe``, a value
recipes        those with a name
loss           the loss, and images that are mixed for it
optimizer      learning rates, precision, frozen norms
train          ``Training``: an epoch at a time
epoch          what an epoch tells
evaluation     accuracy and cross-entropy
data_parallel  a training over several processes
custom         the interface of a user's own training function
"""
