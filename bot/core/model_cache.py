"""The models in memory, each with its engines.

At most `max_models` take new poems, and they take at most `max_bytes` together (one alone may take
more). One that has to make room, or whose file was replaced, is retired: the poems that it was
accepted for are written to their ends, then its memory goes back to the system. Retired models
count too, up to as many and as much again; a further load waits for one to be done.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bot.core.errors import ModelUnusable, ShuttingDown
from bot.core.languages import sentence
from bot.core.model_sentences import as_sentence
from bot.core.records import ModelRecord
from model import (
    Engine,
    ModelError,
    Planner,
    Prosody,
    Vocabulary,
    is_compiled,
    load_model,
    make_engines,
    make_verse,
    map_large_blocks,
    trim_heap,
)


@dataclass(eq=False, slots=True)
class LoadedModel:
    """A model in memory."""

    record: ModelRecord
    vocabulary: Vocabulary
    openings: tuple[str, ...]
    engines: tuple[Engine, ...]  # of each writing thread
    prosody: Prosody | None  # None: the model writes free text alone
    planner: Planner | None
    memory_bytes: int  # about
    in_form: list[int]  # poems in a form being written by each engine, by many rows each
    poems: int = 0  # accepted and not ended

    def fold(self, text: str) -> str:
        """Put a text onto the model's alphabet."""
        return self.vocabulary.fold(text).text


def has_compiled() -> bool:
    """Whether the arithmetic is compiled; the start that does it takes more memory and time."""
    return is_compiled()


class ModelCache:
    """Loads models on a thread of its own, one at a time, and drops them."""

    def __init__(
        self,
        *,
        max_models: int,
        max_bytes: int,
        max_rows: int,
        threads: int = 1,
        give_back: Callable[[], None] = trim_heap,
    ) -> None:
        map_large_blocks()
        self._max_models = max_models
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self._threads = threads
        self._give_back = give_back
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()  # least recently used first
        self._retired: set[LoadedModel] = set()  # that still write
        self._loading: dict[str, asyncio.Task[LoadedModel]] = {}
        self._room_freed = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading")
        self._closed = False

    def __getitem__(self, sha256: str) -> LoadedModel:
        return self._loaded[sha256]

    def find(self, sha256: str) -> LoadedModel | None:
        """Return a model in memory, also one that is about to be removed."""
        retired = (loaded for loaded in self._retired if loaded.record.sha256 == sha256)
        return self._loaded.get(sha256) or next(retired, None)

    def __len__(self) -> int:
        """How many models hold memory."""
        return len(self._loaded) + len(self._retired)

    async def load(self, record: ModelRecord) -> None:
        """Have a model ready; raise ModelUnusable or ShuttingDown."""
        if self._closed:
            raise ShuttingDown
        loaded = self._loaded.get(record.sha256)
        if loaded is None:
            task = self._loading.get(record.sha256)
            if task is None:
                task = self._loading[record.sha256] = asyncio.create_task(self._fetch(record))
                task.add_done_callback(lambda done: self._fetched(record, done))
            loaded = await asyncio.shield(task)
        self._put(loaded)

    def acquire(self, sha256: str) -> LoadedModel:
        """Count a poem that a loaded model will write."""
        return self.retain(self._loaded[sha256])

    def retain(self, loaded: LoadedModel) -> LoadedModel:
        """Count one more with a model that is borrowed already, and so may be retired."""
        loaded.poems += 1
        return loaded

    def release(self, loaded: LoadedModel) -> None:
        """Count such a poem out."""
        loaded.poems -= 1
        if not loaded.poems and loaded in self._retired:
            self._retired.remove(loaded)
            self._free()

    def clear(self) -> None:
        """Forget every model at once, whether its engine works or not."""
        self._loaded.clear()
        self._retired.clear()
        self._free()

    async def close(self) -> None:
        """Let loads that are under way end, and give the thread back."""
        self._closed = True
        if self._loading:
            await asyncio.wait(self._loading.values())
        await asyncio.to_thread(self._thread.shutdown)

    async def _fetch(self, record: ModelRecord) -> LoadedModel:
        while len(self._retired) >= self._max_models or self._is_too_much(self._retired):
            self._room_freed.clear()
            await self._room_freed.wait()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._load, record)

    def _fetched(self, record: ModelRecord, task: asyncio.Task[LoadedModel]) -> None:
        del self._loading[record.sha256]
        if not task.cancelled():
            task.exception()  # raised in the tasks that still wait for it
        self._tidy()  # to load takes more memory than the model needs

    def _put(self, loaded: LoadedModel) -> None:
        """Add a model as the one used last, and retire models that must make room."""
        self._loaded[loaded.record.sha256] = loaded
        self._loaded.move_to_end(loaded.record.sha256)
        self._retired.discard(loaded)
        for other in list(self._loaded.values()):
            if other is not loaded and other.record.path == loaded.record.path:
                self._retire(other)  # its file was replaced
        while len(self._loaded) > 1 and self._is_too_much(self._loaded.values()):
            others = list(self._loaded.values())[:-1]
            self._retire(next((other for other in others if not other.poems), others[0]))

    def _is_too_much(self, models: Collection[LoadedModel]) -> bool:
        size = sum(loaded.memory_bytes for loaded in models)
        return len(models) > self._max_models or size > self._max_bytes

    def _retire(self, loaded: LoadedModel) -> None:
        del self._loaded[loaded.record.sha256]
        if loaded.poems:
            self._retired.add(loaded)
        else:
            self._free()

    def _free(self) -> None:
        """Give memory back, once the caller has released it too."""
        self._room_freed.set()
        asyncio.get_running_loop().call_soon(self._tidy)

    def _tidy(self) -> None:
        if not self._closed:
            self._thread.submit(self._give_back)

    def _load(self, record: ModelRecord) -> LoadedModel:
        try:
            model = load_model(record.path, for_guild=bool(record.guild))
        except ModelError as error:
            reason = as_sentence(str(error).replace(str(record.path), record.path.name))
            raise ModelUnusable(record.name, reason) from error
        if model.sha256 != record.sha256:
            raise ModelUnusable(record.name, sentence("Its file was replaced just now. Try again."))
        prosody, planner = make_verse(model)
        engines = make_engines(
            model, self._threads, max_rows=self._max_rows, prosody=prosody, planner=planner
        )
        return LoadedModel(
            *(record, model.vocabulary, model.card.openings, engines),
            *(prosody, planner, model.memory_bytes, [0] * len(engines)),
        )
