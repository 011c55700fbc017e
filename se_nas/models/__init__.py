"""Whole models: built by name, loaded, saved and exported.

materialize        models by name or ``Architecture``
weights            strict loading, also of torchvision's and timm's weights
weights_source     weights by a path, or ``torchvision:NAME``
checkpoint_files   readers of files, down to the state dict
diagnosis          the likely model of a checkpoint that does not fit
changes            what was changed in a model by hand
saving             safetensors files that say which network they hold
quantization       ONNX files of 8-bit integers
export             ONNX files and ``torch.export`` programs
"""
