"""What an LSTM cell makes of its four gates, in formulas that any processor computes alike."""

from __future__ import annotations

from llvmlite import ir

from model.kernel.vectors import FLOATS, LANES, instruction

# tanh x ≈ x (a0 + a1 x² + a2 x⁴) / (b0 + b1 x² + b2 x⁴ + b3 x⁶)
TANH_ABOVE = (0.99997115, 0.114472717, 0.00149555306)
TANH_BELOW = (1.0, 0.44771409, 0.017487403, 5.5186003e-05)


class Floats:
    """16 floats in IR, so that a formula below reads as one."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _of(self, other: Floats | float) -> ir.Value:
        if isinstance(other, Floats):
            return other.value
        return ir.Constant(FLOATS, [float(other)] * LANES)

    def __add__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fadd(self.value, self._of(other)))

    def __mul__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fmul(self.value, self._of(other)))

    def times_plus(self, factor: Floats | float, more: Floats | float) -> Floats:
        """Return self × factor + more, rounded once, on processors that have to work it out too."""
        values = (self.value, self._of(factor), self._of(more))
        return Floats(self.builder, instruction(self.builder, "llvm.fma.v16f32", FLOATS, *values))

    def __truediv__(self, other: Floats | float) -> Floats:
        return Floats(self.builder, self.builder.fdiv(self.value, self._of(other)))

    def clamped(self, limit: float) -> Floats:
        """Bring all lanes within ±limit."""
        value = self.value
        for bound, sign in ((limit, ">"), (-limit, "<")):
            edge = self._of(bound)
            value = self.builder.select(self.builder.fcmp_ordered(sign, value, edge), edge, value)
        return Floats(self.builder, value)


def _tanh_parts(x: Floats) -> tuple[Floats, Floats]:
    """Return numerator and denominator of tanh x, within 2e-5 of it.

    A rational function of degrees 5 and 6, fitted on ±6 to the smallest largest error.
    """
    x = x.clamped(6.0)
    s = x * x
    above = s.times_plus(TANH_ABOVE[2], TANH_ABOVE[1]).times_plus(s, TANH_ABOVE[0])
    below = s.times_plus(TANH_BELOW[3], TANH_BELOW[2]).times_plus(s, TANH_BELOW[1])
    return x * above, below.times_plus(s, TANH_BELOW[0])


def lstm_cell(i: Floats, f: Floats, o: Floats, g: Floats, cell: Floats) -> tuple[Floats, Floats]:
    """Return an LSTM's next cell and hidden values; three of the gates' sums come halved.

    sigmoid x = (1 + tanh x/2) / 2. Divisions are slow, so each line has but one.
    """
    (ia, ib), (fa, fb), (oa, ob) = (_tanh_parts(half) for half in (i, f, o))
    ga, gb = _tanh_parts(g)
    kept = cell * (fb + fa) * (ib * gb)
    cell = ((ib + ia) * ga).times_plus(fb, kept) / (fb * ib * gb * 2.0)
    ca, cb = _tanh_parts(cell)
    return cell, (ob + oa) * ca / (ob * cb * 2.0)
