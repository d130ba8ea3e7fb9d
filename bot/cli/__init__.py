"""The command line: poems at a terminal, and what admins do at a shell.

- `main` reads the arguments with `parser` and calls one of the following, or opens the doors.
- `console` writes one poem to stdout, or one for each line that is typed.
- `model_files` measures a model on a text, and exports it with a card for people.
- `setup` writes the settings of a new installation: `init`.
- `train` is train.py as a command.
- `admin` lists and changes models and settings, forgets members, makes and restores backups.
"""
