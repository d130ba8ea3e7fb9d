"""What is kept on disk: the database, and backups of the data folder.

A start goes down this list: `lock` keeps a second bot out of the data folder, `connection` opens a
SQLite file so that nothing in it runs, `schema` has the steps that made the tables, and `database`
takes those that a file has not had. Then rows are read and written: `guilds` has settings and
choices, `books` trainings and models, `poems` half poems.

Several machines have the same rows on a PostgreSQL server: `postgres`, with its connections
(`postgres_connection`), its tables (`postgres_schema`) and what a process claims and hears there
(`postgres_watch`). `any_database` is what stores need of either. `transfer` copies rows between.

A backup is made and restored by `archive`. `backup_file` is its format on disk; `rebuild` copies
the rows of its database into a new one, each value by a rule of `column_rules`.
"""
