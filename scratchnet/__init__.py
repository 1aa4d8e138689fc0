"""Hand-written recurrent networks in NumPy and Numba.

    from scratchnet import LSTM, Adam, Linear, Sequential, softmax_cross_entropy

All names that a user needs are here; each is imported when it is first asked for (PEP 562), so that
`import scratchnet` costs nothing. The rooms they come from: layers/, blocks/ (memory cells of 2002),
training/, evaluation/, generation/, checking/ (gradients), kernels/ (compiled), plain/ (the textbook).
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # what editors and type checkers see; __getattr__ does it when the program runs
    from scratchnet.blocks.closed_loop import ClosedLoop as ClosedLoop
    from scratchnet.blocks.fully_recurrent import FullyRecurrent as FullyRecurrent
    from scratchnet.blocks.kalman import DecoupledKalman as DecoupledKalman
    from scratchnet.blocks.network import CellBlocks as CellBlocks
    from scratchnet.blocks.wiring import Blocks as Blocks
    from scratchnet.blocks.wiring import Outputs as Outputs
    from scratchnet.blocks.wiring import Wiring as Wiring
    from scratchnet.checking.gradcheck import gradcheck as gradcheck
    from scratchnet.checking.gradcheck import numeric_gradient as numeric_gradient
    from scratchnet.evaluation.held_out import HeldOut as HeldOut
    from scratchnet.evaluation.held_out import evaluate as evaluate
    from scratchnet.evaluation.held_out import held_out as held_out
    from scratchnet.evaluation.metrics import bits as bits
    from scratchnet.evaluation.metrics import perplexity as perplexity
    from scratchnet.evaluation.metrics import top_k_accuracy as top_k_accuracy
    from scratchnet.evaluation.ngrams import WittenBell as WittenBell
    from scratchnet.generation.generate import generate as generate
    from scratchnet.generation.sampling import sample as sample
    from scratchnet.layers.attention import Attention as Attention
    from scratchnet.layers.batch_norm import BatchNorm as BatchNorm
    from scratchnet.layers.conv1d import Conv1D as Conv1D
    from scratchnet.layers.dropout import Dropout as Dropout
    from scratchnet.layers.embedding import Embedding as Embedding
    from scratchnet.layers.gru import GRU as GRU
    from scratchnet.layers.heads import Flatten as Flatten
    from scratchnet.layers.heads import LastStep as LastStep
    from scratchnet.layers.initializers import initialize as initialize
    from scratchnet.layers.initializers import set_forget_bias as set_forget_bias
    from scratchnet.layers.layer import Layer as Layer
    from scratchnet.layers.linear import Linear as Linear
    from scratchnet.layers.lookup import Lookup as Lookup
    from scratchnet.layers.lstm import LSTM as LSTM
    from scratchnet.layers.nonlinearity import Nonlinearity as Nonlinearity
    from scratchnet.layers.one_thread import InUse as InUse
    from scratchnet.layers.rnn import RNN as RNN
    from scratchnet.layers.separable_conv1d import SeparableConv1D as SeparableConv1D
    from scratchnet.layers.sequential import Sequential as Sequential
    from scratchnet.training.batches import Batch as Batch
    from scratchnet.training.batches import Epochs as Epochs
    from scratchnet.training.batches import RandomWindows as RandomWindows
    from scratchnet.training.batches import Streams as Streams
    from scratchnet.training.batches import evaluation_batches as evaluation_batches
    from scratchnet.training.checkpoint import CheckpointError as CheckpointError
    from scratchnet.training.checkpoint import load_checkpoint as load_checkpoint
    from scratchnet.training.checkpoint import load_weights as load_weights
    from scratchnet.training.checkpoint import save_checkpoint as save_checkpoint
    from scratchnet.training.checkpoint import save_weights as save_weights
    from scratchnet.training.losses import sigmoid_cross_entropy as sigmoid_cross_entropy
    from scratchnet.training.losses import softmax_cross_entropy as softmax_cross_entropy
    from scratchnet.training.optimizers import SGD as SGD
    from scratchnet.training.optimizers import Adagrad as Adagrad
    from scratchnet.training.optimizers import Adam as Adam
    from scratchnet.training.optimizers import Diverged as Diverged
    from scratchnet.training.optimizers import RMSprop as RMSprop
    from scratchnet.training.optimizers import clip_global_norm as clip_global_norm
    from scratchnet.training.schedules import Constant as Constant
    from scratchnet.training.schedules import Cosine as Cosine
    from scratchnet.training.schedules import Exponential as Exponential
    from scratchnet.training.schedules import Plateau as Plateau
    from scratchnet.training.schedules import Product as Product
    from scratchnet.training.schedules import StepDecay as StepDecay
    from scratchnet.training.schedules import WarmUp as WarmUp
    from scratchnet.training.trainer import Trainer as Trainer

_MODULES = {
    "blocks.closed_loop": "ClosedLoop",
    "blocks.fully_recurrent": "FullyRecurrent",
    "blocks.kalman": "DecoupledKalman",
    "blocks.network": "CellBlocks",
    "blocks.wiring": "Blocks Outputs Wiring",
    "checking.gradcheck": "gradcheck numeric_gradient",
    "evaluation.held_out": "HeldOut evaluate held_out",
    "evaluation.metrics": "bits perplexity top_k_accuracy",
    "evaluation.ngrams": "WittenBell",
    "generation.generate": "generate",
    "generation.sampling": "sample",
    "layers.attention": "Attention",
    "layers.batch_norm": "BatchNorm",
    "layers.conv1d": "Conv1D",
    "layers.dropout": "Dropout",
    "layers.embedding": "Embedding",
    "layers.gru": "GRU",
    "layers.heads": "Flatten LastStep",
    "layers.initializers": "initialize set_forget_bias",
    "layers.layer": "Layer",
    "layers.linear": "Linear",
    "layers.lookup": "Lookup",
    "layers.lstm": "LSTM",
    "layers.nonlinearity": "Nonlinearity",
    "layers.one_thread": "InUse",
    "layers.rnn": "RNN",
    "layers.separable_conv1d": "SeparableConv1D",
    "layers.sequential": "Sequential",
    "training.batches": "Batch Epochs RandomWindows Streams evaluation_batches",
    "training.checkpoint": "CheckpointError load_checkpoint load_weights save_checkpoint save_weights",
    "training.losses": "sigmoid_cross_entropy softmax_cross_entropy",
    "training.optimizers": "Adagrad Adam Diverged RMSprop SGD clip_global_norm",
    "training.schedules": "Constant Cosine Exponential Plateau Product StepDecay WarmUp",
    "training.trainer": "Trainer",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOME})
