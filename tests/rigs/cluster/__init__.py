"""Three hosts, a cluster on them, and what goes wrong: `python -m tests.rigs.cluster`.

`hosts` makes the hosts and the links between them, which `wire` delays. `processes` starts what
runs on them. `visitors` ask for sonnets, and `admins` change settings and look what became of that.
`trials` are what goes wrong meanwhile. `speed` measures without hosts, on loopback.
"""
