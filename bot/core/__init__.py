"""The application: what can be asked of Sonneteer, without knowing who asks.

What lives here, in the order in which a request passes.

What everything speaks in: `records` (a request, its settings, a poem), `ports` (what the service
needs of others), `errors` (what cannot be done, each with its sentence).

A poem:

- `poems` is the service that the doors ask: may the asker have a poem (`permissions`, `fairness`),
  with which settings (`poem_settings`, `guilds` with `guild_settings`), of which model
  (`model_library`), and from which seed. It hands out a `poem_stream` to read.
- `engine_client` puts it into the `fair_queue` and gives it a row; `model_cache` has its model in
  memory, and a thread of an `engine_worker` writes.
- `card` draws it as a picture.
- `rooms` have a poem each that many people write together: a `room` asks for its lines as any
  asker does, and its `room_turns` say for whom.

A training: `training_requests` takes a book from a member, which `fetching` gets and `book_reader`
reads; `training` trains one of the `jobs` at a time, and `model_library` installs what was made.
What the model's side says meanwhile becomes translatable in `model_sentences`.

A model's file: `model_files` measures the model on a text and exports it, with a `model_card`.

The rest: `application` joins what the doors talk to. `store` keeps it on disk. `metrics` and
`request_log` count and follow requests. `child_process`, `names`, `paths`, `proxies`, `redaction`,
`retry`, `sandbox`, `shards`, `tasks`, `machine` and `core_dumps` are small tools, each used by
several of the above.
"""
