"""The best networks retrained beside the controls, and the verdict.

networks     the best, the controls, the winner
retraining   as Ray tasks
cache        finished retrainings, kept until the run is complete
forecast     their number and time, told before
verdict      whether SE won, by Welch's t-test
"""
