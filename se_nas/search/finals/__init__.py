"""The best networks retrained beside the controls, and the verdict.

networks     the rows of the final table, and the winner
retrain      the best race, then the controls are trained
racing       seeds for those that may still be the best
controls     what the winner has to be better than
retraining   as Ray tasks
cache        finished retrainings, kept until the run is complete
forecast     their number and time, told before
verdict      whether SE won, by Welch's t-test
"""
