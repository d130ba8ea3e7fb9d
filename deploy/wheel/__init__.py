"""Sonneteer, as pip installs it. Its parts `bot`, `model` and `train` are in this folder.

In a checkout they are at the top. In a Python that other packages share, names as common as `bot`
and `model` belong to nobody, so only a process that begins in `__main__` can import them.
"""
