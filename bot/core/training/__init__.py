"""Training on this machine: `queue` runs one job after another, each as a `process` of train.py.

A job goes into the queue, waits for its turn, is trained in a process that tells how far it has
come, and ends with its model in its place. After a kill it resumes at its last checkpoint.
"""
