"""Torch modules: the SE block, the blocks around it, and whole networks.

squeeze_excitation   the SE block
identity_init        SE blocks that start as identities
neighbours           the layers before and after each SE block
blocks               modules from descriptions of layers
ops                  modules without weights
narrow               strided 1×1 convolutions of few channels, around a fault of oneDNN
model                ``Model``: a network with fresh weights
insertion            SE blocks into an existing network
fused                residual blocks for inference, in place
inference            copies of models for deployment
example              example images to trace a network with
"""
