"""Tasks with one network: a training by a recipe, and its verification.

train_config   ``TrainConfig``: the settings of a training
train          trainings of one network with several seeds, in a folder that can be taken up
checkpoint     the state between two epochs, whole or not at all
statistics     means with intervals
card           what was trained on what and how, with its figures
verify         a card's training made again
"""
