"""The textbook beside the machine: each layer once more as one writes it on paper, a loop over time in NumPy.

Nothing here is compiled, checked or fast. It is what lessons show first and what the tests of the fast layers
compare with. Nothing in this folder may import anything but NumPy and its neighbours.
"""

from scratchnet.plain.attention import Attention
from scratchnet.plain.batch_norm import BatchNorm
from scratchnet.plain.cell_blocks import CellBlocks
from scratchnet.plain.cell_blocks_online import OnlineCellBlocks
from scratchnet.plain.conv1d import Conv1D
from scratchnet.plain.cross_entropy import sigmoid_cross_entropy, softmax_cross_entropy
from scratchnet.plain.dropout import Dropout
from scratchnet.plain.embedding import Embedding
from scratchnet.plain.fully_recurrent import FullyRecurrent
from scratchnet.plain.gru import GRU
from scratchnet.plain.linear import Linear
from scratchnet.plain.lstm import LSTM
from scratchnet.plain.ngram import NGram
from scratchnet.plain.rnn import RNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Attention",
    "BatchNorm",
    "CellBlocks",
    "Conv1D",
    "Dropout",
    "Embedding",
    "FullyRecurrent",
    "Linear",
    "NGram",
    "OnlineCellBlocks",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
]
