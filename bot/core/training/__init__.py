"""Trainings: `queue` runs one job after another, each as a `process` of train.py.

On one machine one runs at a time; in a cluster `bot.cluster` stands in for the process.

A job goes into the queue, waits for its turn, is trained in a process that tells how far it has
come, and ends with its model in its place. After a kill it resumes at its last checkpoint.
"""
