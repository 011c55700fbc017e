"""The trials through Ray Tune: searcher, scheduler, and callbacks.

tune              the tuner, from the plan of a search
searcher          proposals to Tune, results to the study
asha              early stopping that survives a resumption
halving           the same for several objectives
start_barrier     all workers up before the first trial trains
callbacks         those that the settings ask for
callback_guard    their errors, which end no trial
driver_callback   their base, and readers of Tune's trials
progress          the live line
prometheus        metrics through Ray
tensorboard       event files
elastic           trials at once, as nodes come and go
failures          failed trials and their tracebacks
worker_deaths     deaths counted by trial
ray_internals     Tune's internals that the search relies on
"""
