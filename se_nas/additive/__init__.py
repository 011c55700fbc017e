"""One Bayesian additive model of networks: what to try next, and what each choice is worth.

features      a network, or parameters, as the parts whose worths add up
model         the worths with their uncertainty, from trials
interactions  choices that matter only together: a process on what that model leaves over
surrogate     both as one: means, deviations, draws
contrasts     differences between networks with intervals that cover the truth
effects       changes of networks, what they are worth and what they cost
advice        the sentences that follow
candidates    networks near the best ones, climbed on a guess of the worths
memory_limit  what is too large to train
study_space   the parameters of a study that has no space, and their conditions
"""
