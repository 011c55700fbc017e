"""Inference latency: measured alone on its device, and predicted by adding up blocks.

settings   what a measurement is        measure   one network, timed (torch)
blocks     what a network is cut into   table     the sum over its blocks
build      which networks to time, and the error on others     cache   what is kept
"""
