"""The report of a run: one page that opens from disk, without a network.

contents     what a run has to tell, read from its folder
placement    a network's SE, stage by stage, as a picture
charts       plots of trials: front, history, learning curves, ends and time
choices      plots of what was chosen, by Optuna
plot         parts of plots, and their numbers
page         the page, from ``page.html.j2`` on ``base.html.j2``
short_answer  the answer in ten lines
ending       the report and the answer at a search's end
comparison   several runs on one page
serve        the page on 127.0.0.1, up to date while trials run
"""
