"""The arithmetic of many rows: an LSTM in whole numbers and the choice of characters, compiled."""

from model.kernel.batch import Batch
from model.kernel.quantization import QuantizedWeights, quantize_network
from model.kernel.reference import checked_instruction_set
from model.kernel.tiles import InstructionSet

__all__ = [
    "Batch",
    "InstructionSet",
    "QuantizedWeights",
    "checked_instruction_set",
    "quantize_network",
]
