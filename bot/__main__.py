"""The command line; `bot.cli` reads it.

python -m bot                 run everything that is configured, until Ctrl-C
python -m bot init            set up: ask for a token and a folder, write the settings, check them
python -m bot worker          write poems for the gateways of a cluster
python -m bot trainer         train for the gateways of a cluster
python -m bot console         write poems at a prompt: each line is an opening
python -m bot write SEED      write one poem to stdout
python -m bot train BOOK      train a model as train.py does, into the folder of the settings
python -m bot models          list models; --help shows how to use, measure and export them
python -m bot settings GUILD  show or change a server's settings
python -m bot forget MEMBER   delete what is stored about a member
python -m bot doctor          check the installation, with advice for each fault
python -m bot health          ask the running bot whether it is well, for health checks
python -m bot backup FILE     back up everything to one file; restore FILE restores it
python -m bot database copy   copy the database to a PostgreSQL server, or back

Installed as a package, all of it is called `sonneteer`: deploy/wheel.

Exit: 0 done, 1 the doctor found something wrong or the bot is not well, 2 wrong use or bad input
(one sentence on stderr), 130 Ctrl-C in console and write.
"""

from bot import supported

if __name__ == "__main__":  # before anything that an older Python cannot read
    supported.begin()

from bot.core.core_dumps import forbid_core_dumps, hide_memory

if __name__ == "__main__":  # before anything that takes time: until then others can read the token
    hide_memory()
    forbid_core_dumps()

import sys

from bot import health

if __name__ == "__main__" and health.is_asked_for(sys.argv[1:]):
    sys.exit(health.main(sys.argv[1:]))

from bot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
