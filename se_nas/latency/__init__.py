"""Inference latency: measured alone on its device, and predicted by adding up blocks.

settings   what a measurement is        measure   one network, timed (torch)
blocks     what a network is cut into   table     the sum over its blocks
cover      which networks to time       build     a table from their times, and its error
cache      what is kept
"""
