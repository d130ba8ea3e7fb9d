"""The doctor: looks at an installation, says what is wrong and what to do, and changes nothing.

What lives here, in the order in which an installation is checked.

- `checks` runs all checks side by side, and shows their results in one order.
- `settings` reads config.toml, the environment and the versions; without settings the rest is
  skipped.
- `page` tries the address of the web page.
- `discord_checks` asks Discord through `discord_api`; `discord_results` and `discord_permissions`
  judge the answers, and ask nothing.
- `system` checks folders, memory and processors; `database` reads the database; `models` loads
  every model file.
- `results` is what a check found, and how it is shown.
"""
