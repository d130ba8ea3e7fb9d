"""Several processes that train one network together, as torchrun starts them.

Each reads its own rows of every batch. Gradients are averaged over all of them, so that all take
the same step, and draw the same random numbers wherever those concern all. Small values and files
go over gloo, gradients over gloo between processors and over nccl between GPUs. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from model.errors import DeviceMissing, ProcessesDiffer, ProcessLost, RowsIndivisible

# For one that neither answers nor is gone, as after a power cut; the first may measure for minutes.
TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together; by default it is alone."""

    device: torch.device
    rank: int = 0
    count: int = 1
    folder: Path | None = None  # for the files of the first, in every other process

    @property
    def is_first(self) -> bool:
        """Whether this is the one that saves, measures and shows."""
        return self.rank == 0

    def own_rows(self, rows: int) -> slice:
        """Return which of a batch's rows this process reads; raise RowsIndivisible."""
        if rows % self.count:
            raise RowsIndivisible(rows, self.count)
        each = rows // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def parallel(self, network: nn.Module) -> nn.Module:
        """Return a module that computes as `network` does and averages the gradients of all."""
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        # Its buffers are the vectors of topics, which do not change.
        return DistributedDataParallel(network, device_ids=devices, forward_sync_buffers=False)

    def sums(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes."""
        return self._reduce(values, distributed.ReduceOp.SUM)

    def largest(self, value: int) -> int:
        """Return the largest value of all processes."""
        return int(self._reduce([value], distributed.ReduceOp.MAX)[0])

    def _reduce(self, values: tuple[float, ...] | list[int], how: object) -> list[float]:
        if self.count == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor, op=how)
        return tensor.tolist()

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.largest(0)

    def joined(self, own: Tensor, dim: int) -> Tensor:
        """Return the tensors of all processes, of one shape, side by side along `dim`."""
        if self.count == 1:
            return own
        tensor = own.cpu().contiguous()
        parts = [torch.empty_like(tensor) for _ in range(self.count)]
        distributed.all_gather(parts, tensor)
        return torch.cat(parts, dim)

    def insist_on_same(self, texts: Iterable[str]) -> None:
        """Raise ProcessesDiffer where another process has other texts."""
        if self.count == 1:
            return
        digest = hashlib.sha256()
        for text in texts:
            digest.update(text.encode() + b"\0")
        own = torch.tensor(list(digest.digest()), dtype=torch.uint8)[None]  # (1, 32)
        if (self.joined(own, 0) != own).any():
            raise ProcessesDiffer

    def copy_file(self, path: Path) -> None:
        """Give the file of the first to all others, each under its own `path`, if it exists."""
        if self.count == 1:
            return
        exists = self.is_first and path.exists()
        data = bytearray(path.read_bytes() if exists else b"")
        size = self.largest(len(data))
        if size == 0:
            return
        buffer = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(size).byte()
        distributed.broadcast(buffer, src=0)
        if not self.is_first:
            path.write_bytes(buffer.numpy().tobytes())

    @contextmanager
    def own_randomness(self, seed: int) -> Iterator[None]:
        """Draw other random numbers than the other processes, and afterwards the same again."""
        if self.count == 1:
            yield
            return
        is_gpu = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if is_gpu else []):
            number = (seed * self.count + self.rank) % 2**63
            # Not torch.manual_seed: without a GPU it keeps three traces of the stack each time.
            torch.default_generator.manual_seed(number)
            if is_gpu:
                torch.cuda.manual_seed(number)
            yield


@contextmanager
def join_processes(
    device: torch.device, environment: Mapping[str, str] = os.environ
) -> Iterator[Processes]:
    """Join the processes that torchrun started; without torchrun this one is alone.

    Raises DeviceMissing where this process has no GPU of its own, and ProcessLost where another
    one ends or does not answer within TIMEOUT. After an error the process must end by `os._exit`:
    gloo sometimes waits for ever when it is taken apart without the others.
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in environment
    count = int(environment["WORLD_SIZE"]) if by_torchrun else 1
    if count == 1:
        yield Processes(device)
        return
    backend = "gloo"
    if device.type == "cuda":
        device = torch.device("cuda", int(environment["LOCAL_RANK"]))
        if device.index >= torch.cuda.device_count():
            raise DeviceMissing(str(device))
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    rank = int(environment["RANK"])
    with TemporaryDirectory(prefix="sonneteer-") as folder:
        try:
            distributed.init_process_group(backend, timeout=TIMEOUT)
            yield Processes(device, rank, count, Path(folder) if rank else None)
        except RuntimeError as error:
            if is_lost(error):
                raise ProcessLost from error
            raise
        distributed.destroy_process_group()


def is_lost(error: RuntimeError) -> bool:
    """Whether PyTorch says that another process is gone; gloo has no class of errors for it."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)
