"""Torch modules: the SE block, the blocks around it, and whole networks."""
