"""The arithmetic of many rows: an LSTM in whole numbers and the choice of characters, compiled."""

from model.kernel.arithmetic import Arithmetic
from model.kernel.batch import Batch
from model.kernel.check import checked_arithmetic
from model.kernel.weights import Weights, pack_network

__all__ = ["Arithmetic", "Batch", "Weights", "checked_arithmetic", "pack_network"]
