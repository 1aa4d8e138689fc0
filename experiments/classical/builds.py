"""The eight builds of the paper's table, by name: what stands between a window and the choice of a symbol.

    baseline    4 LSTM 256, dropout .3 after each
    model1      Conv 256, dropout .1, 2 LSTM 256, dropout .3 after each     (poster and code: Conv 128)
    model2      1 LSTM 256, dropout .3
    model3      Conv 128, dropout .1, 2 GRU 256, dropout .3 after each
    model4      Conv 256, dropout .1, 3 LSTM 128, dropout .3 after each
    model5      as model1 with Conv 128, batch normalisation after the convolution and each LSTM
    model6      Conv 128, dropout .1, at each step linear 256, dropout .1, LSTM 256, dropout .3
    model7      Conv 128, LSTM 256, Conv 128, at each step linear 256, LSTM 256, dropout .1 after each

Convolutions are valid, of width 3 (model7: 5), and like the linear layers followed by a rectifier. The code
that the authors left has the baseline, model1, model2 and a relative of model7; for models 3 to 6 the table
names the layers, and what it leaves open (widths of kernels, dropout, where exactly the normalisation stands)
is chosen here as in the builds that have code.

Then comes the head: all outputs side by side (`Flatten`, in the code) or the last one (`LastStep`), a linear
layer, and the softmax, which is part of the loss.
"""

from scratchnet.layers.batch_norm import BatchNorm
from scratchnet.layers.conv1d import Conv1D
from scratchnet.layers.dropout import Dropout
from scratchnet.layers.gru import GRU
from scratchnet.layers.heads import Flatten, LastStep
from scratchnet.layers.initializers import set_forget_bias
from scratchnet.layers.linear import Linear
from scratchnet.layers.lstm import LSTM
from scratchnet.layers.nonlinearity import Nonlinearity


class Stack:
    """Layers on top of each other; it knows how large their outputs are.

    size : D, what the first layer reads (or V, for tokens)
    steps : T
    rng : numpy Generator of weights and dropout
    width : factor of all units
    conv, kernel : units and width of all convolutions; None for each build's own
    Attributes:
    layers : list
    size, steps : of what the last layer writes
    """

    def __init__(self, size, steps, rng, width=1.0, conv=None, kernel=None):
        self.layers, self.size, self.steps, self.rng = [], size, steps, rng
        self.width, self.units_of_conv, self.kernel = width, conv, kernel

    def _units(self, units):
        return max(1, round(self.width * units))

    def _add(self, *layers, size=None):
        self.layers += layers
        self.size = size or self.size
        return self

    def conv(self, units, kernel=3):
        units, kernel = self._units(self.units_of_conv or units), self.kernel or kernel
        self.steps -= kernel - 1
        layer = Conv1D(self.size, units, kernel, self.rng)
        return self._add(layer, Nonlinearity("relu"), size=units)

    def lstm(self, units):
        layer = LSTM(self.size, self._units(units), self.rng)
        set_forget_bias(layer, 1.0)
        return self._add(layer, size=layer.hidden_size)

    def gru(self, units):
        layer = GRU(self.size, self._units(units), self.rng)
        return self._add(layer, size=layer.hidden_size)

    def dense(self, units):
        layer = Linear(self.size, self._units(units), self.rng)
        return self._add(layer, Nonlinearity("relu"), size=self._units(units))

    def drop(self, p):
        return self._add(Dropout(p, self.rng))

    def norm(self):
        return self._add(BatchNorm(self.size))

    def choice(self, head, symbols):
        """The head: from all steps or the last one to logits (1, V, B)."""
        if head == "flatten":
            return self._add(Flatten(), Linear(self.size * self.steps, symbols, self.rng), size=symbols)
        return self._add(LastStep(), Linear(self.size, symbols, self.rng), size=symbols)


class Counted(Stack):
    """A Stack without layers, that counts their weights, but for biases."""

    weights = 0

    def _count(self, units, per_unit):
        self.weights += units * per_unit
        return self._add(size=units)

    def conv(self, units, kernel=3):
        units, kernel = self._units(self.units_of_conv or units), self.kernel or kernel
        self.steps -= kernel - 1
        return self._count(units, kernel * self.size)

    def lstm(self, units):
        return self._count(H := self._units(units), 4 * (self.size + H))

    def gru(self, units):
        return self._count(H := self._units(units), 3 * (self.size + H))

    def dense(self, units):
        return self._count(self._units(units), self.size)

    def drop(self, p):
        return self

    def norm(self):
        return self

    def choice(self, head, symbols):
        return self._count(symbols, self.size * (max(self.steps, 0) if head == "flatten" else 1))


def baseline(stack):
    for _ in range(4):
        stack.lstm(256).drop(0.3)


def model1(stack):
    stack.conv(256).drop(0.1).lstm(256).drop(0.3).lstm(256).drop(0.3)


def model2(stack):
    stack.lstm(256).drop(0.3)


def model3(stack):
    stack.conv(128).drop(0.1).gru(256).drop(0.3).gru(256).drop(0.3)


def model4(stack):
    stack.conv(256).drop(0.1)
    for _ in range(3):
        stack.lstm(128).drop(0.3)


def model5(stack):
    stack.conv(128).norm().drop(0.1).lstm(256).norm().drop(0.3).lstm(256).norm().drop(0.3)


def model6(stack):
    stack.conv(128).drop(0.1).dense(256).drop(0.1).lstm(256).drop(0.3)


def model7(stack):
    stack.conv(128, 5).drop(0.1).lstm(256).drop(0.1)
    stack.conv(128, 5).drop(0.1).dense(256).drop(0.1).lstm(256).drop(0.1)


BUILDS = {
    build.__name__: build for build in (baseline, model1, model2, model3, model4, model5, model6, model7)
}
