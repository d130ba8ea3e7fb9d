"""What breaks the bot on purpose: faults, floods, kills, long use, hostile input, shortages.

Each rig is a command, `python -m tests.rigs.NAME`, which takes minutes, tells a table and returns 1
if a promise was broken; `runner.py` has what they share. The tests here are about the rigs.

    faults, shortages    every fault of Discord, the network and the machine, one at a time
    stress               half an hour of mixed load while faults are drawn at random
    floods               too many commands, by one member or by many servers
    api                  the HTTP API asked for all that its description allows and forbids
    connections          ten thousand connections to the web page
    rooms                a venue full of phones in one room, and those who mean no good
    hostile_books        sites that answer the fetching of a book with harm
    cluster              three hosts, and what can be lost on them and between
    fuzz                 bytes without sense for the parsers
    kills                the bot or its training is killed at random
    newcomer             what newcomers do, see and wait for, and where they go wrong
    soak, swaps, shards  a hundred thousand poems, models replaced meanwhile, many servers
"""
