"""What runs on a worker: numpy, torch, torchvision and Ray alone.

Of the search it imports nothing but the configuration.
"""
