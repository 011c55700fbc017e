"""Tasks with one network: trained, verified, evaluated, understood.

train_config   ``TrainConfig``: the settings of a training
train          trainings of one network with several seeds, in a folder that can be taken up
processes      several processes of one training, by torchrun
checkpoint     the state between two epochs, whole or not at all
statistics     means with intervals
card           what was trained on what and how, with its figures
verify         a card's training made again
trained        a network with its weights, by a file or a folder
metrics        metrics of a classifier, with intervals
views          crops and sizes of a picture, whose mean counts
confusion      a confusion matrix as a page
evaluate       networks on a data set, and on pictures
gates          gates on images, and what they vary with
explain        what SE does in a network, and what each block is worth
quantize       8-bit integers, and what each SE block costs by them
fold           SE that brings nothing, folded into the layers beside it
"""
