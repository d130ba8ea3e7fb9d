"""The arithmetic of many rows: an LSTM in whole numbers and the choice of tokens, compiled.

In the order in which data passes:

- `reference`: the network and the probabilities in plain numpy. Start here; the rest must equal it.
- `selfcheck`: compares the two at every start, and chooses the instruction set.
- `quantization`: a model's weights become bytes in blocks; where each block lies.
- `state`: what each row remembers and was asked for, as arrays.
- `batch`: Python's side: rows begin, read a prompt, write, leave.
- `forward`: rows through the layers; `tiles` has the two innermost loops, in LLVM's
  language; `instruction_sets` the dot products of each processor.
- `sampling`: from logits to the next token of a row.
- `constraints`: what a line in a form allows. `filters`: what must not come out. `vectors`: sums
  and exponentials over a vocabulary.
- `compilation`: how numba compiles all this, and where it keeps the result.
"""

from model.kernel.batch import Batch
from model.kernel.instruction_sets import InstructionSet
from model.kernel.quantization import QuantizedWeights, quantize_network
from model.kernel.selfcheck import checked_instruction_set

__all__ = [
    "Batch",
    "InstructionSet",
    "QuantizedWeights",
    "checked_instruction_set",
    "quantize_network",
]
