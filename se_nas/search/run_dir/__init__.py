"""One run on disk: its files, its lock, and what a driver that takes it up may change.

directory       the paths and JSON files of a run
new_run         the folder of a new one
data_files      the files of its images
lock            one driver at a time
resume          a run that is taken up: space, settings, notes
compatibility   spaces and settings of two drivers compared
"""
