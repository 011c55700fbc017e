"""The Optuna study, the one source of truth: proposals and outcomes. Never Ray.

study              made or opened: storage, sampler, directions; its proposals
samplers           samplers by name or import path
additive_sampler   proposals by a model of what each choice adds
known_trials       what a study's trials tell that model
proposals          each checked before anything trains
time_keeper        hours as the budget
known_networks     networks that train or ended, and their duplicates
initial_points     networks to try before the sampler is asked
random_draws       architectures drawn without a sampler
feasibility        the share that the constraints let through
records            trials as the study keeps them
tell               constraints and ends of trials told to Optuna
ranking            the best so far
belief             those believed best, by the model
visualisations     Optuna's own views: importances, parallel coordinates
recovery           an earlier driver's trials
drivers            one driver or many
joining            a further driver on a study
journal            Optuna's journal file, in batches
storage_errors     disks and databases that fail
optuna_internals   Optuna's internals that a study relies on
"""
