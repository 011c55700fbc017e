"""Inference latency: measured alone on its device, and predicted by adding up blocks.

settings          of a measurement
blocks            the pieces of a network that are timed
cover             the networks to time so that every block is known
command           the user's own tool, given an ONNX file
pieces            networks as they are timed, and their pieces (torch)
backends          eager and compiled (torch)
measure           the times of one network and its blocks (torch)
measure_onnx      the same in ONNX Runtime
measure_by_command  the same, as the user's own tool says them
measurers         the one of these that the settings ask for
measure_missing   the measurements that a table lacks, and its error
table             predictions by sums over blocks
cache             measurements kept from run to run
"""
