"""What an architecture costs: arithmetic, and latency measured on a reserved device."""
