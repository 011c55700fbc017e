"""Code that runs on workers: it needs numpy, torch, torchvision and Ray alone.

Of the search it imports nothing but the configuration.
"""
