"""Prices of architectures: costs by arithmetic, latency measured on a reserved device."""
