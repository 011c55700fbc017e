"""Prices of architectures: costs by arithmetic, latency measured on a reserved device.

price              ``TimedPrice``: a cost with the predicted latency
latency_table      the measurements before the trials and at the end
exclusive_device   the actor that reserves a device
"""
