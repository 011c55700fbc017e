"""Code that runs on workers: it needs numpy, torch, torchvision and Ray alone.

Of the search it imports nothing but the configuration.

trial               the trainable of a trial
retrain             one retraining and its test
start_training      the training that the settings ask for
custom_training     a user's training function, stepped by epochs
process_group       the peers of a trial with several GPUs
process_failures    failures of peers
reports             messages between the driver and a trial
checkpoints         a trial's file for going on
data                the images of a trial
shared_data         images and functions by Ray's object store
latency_worker      the actor that times networks
device              the device to train on
out_of_memory       errors of a full memory
process_title       the architecture in title and log
ray_api             typed calls of Ray
ray_internals       Ray's internals that workers rely on
"""
