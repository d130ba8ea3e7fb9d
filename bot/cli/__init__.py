"""The command line: poems at a terminal, and what admins do at a shell.

`bot.__main__` reads the arguments and calls one of the two.

- `console` writes one poem to stdout, or one for each line that is typed.
- `admin` lists and changes models and settings, forgets members, makes and restores backups.
"""
