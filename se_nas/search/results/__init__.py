"""The results of a search: written, printed, and read back as a value.

run_results     results.json, the winner and its weights
summary         lines and tables on the console
again           a complete run's results, printed again
search_result   ``SearchResult``, read from a run directory
"""
