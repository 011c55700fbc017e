"""The results of a search: written, printed, and read back as a value.

run_results     results.json, the winner and its weights
winner_card     the winner's trainings, to be verified
opening         lines at the start of a search
doubts          what speaks against the ranking
effects         what each choice is worth and costs, and the advice that follows
summary         lines and tables at its end
again           a complete run's results, printed again
failed_search   why no trial was trained to its end
search_result   ``SearchResult``, read from a run directory
"""
