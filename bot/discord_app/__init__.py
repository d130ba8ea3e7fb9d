"""The Discord door: parses what members ask, calls the service, and shows what it writes.

What lives here, in the order in which a command passes.

The connection:

- `supervisor` keeps a client running; `gateway` keeps its shards connected, `clock` and `metrics`
  watch them.
- `client` is the bot: what it hears, its commands (`commands_sync` registers them with Discord).

The command:

- `messages` reads what a message asks for, `asker` who asks.
- `rate_limits` says whether a command is answered, and when a request may be sent.
- `cogs` has the commands, one file a feature; they call `bot.core`. `setting_checks` looks at what
  they set. `button_state` packs what a button remembers, `poem_buttons` and `confirm_buttons` are
  the buttons. `book_form` and `settings_panel` are what admins fill in and choose from; `forms`
  reads what was submitted.
- `joint_poems` writes poems line by line with members: `joint_poem` has the lines and the vote,
  `joint_buttons` what can be pressed, `joint_formatting` the text, `joint_session` the message.

The reply:

- `poem_reply` answers one request with one poem from `PoemService`; `live_message` shows it as it
  grows, `unfinished_poems` ends what a restart interrupted.
- `training_message` reports on one training, as `reports` shows it; `panels` makes messages with
  pictures and buttons. `departures` ends those of servers that are gone.
- `poem_formatting` and `formatting` make the texts, `error_messages` the sentences for what failed.
- `responses` answers and refuses all other commands.
- `responders` sends: under a message or as the response to an interaction, of which `interactions`
  tells Discord that an answer comes. `retries` says what a failure is and how often to try.
"""
