"""Ray: its environment, the connection to a cluster, and the trials' shares of it.

ray_environment   variables that Ray reads when it is imported
machine           what Ray takes for granted: its folder, its token, open files
connection        a cluster started or joined
runtime_env       SE-NAS sent to the workers of a running cluster
leftovers         files that a search leaves outside of its run
slots             trials at once, and the resources of each
"""
