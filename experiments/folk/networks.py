"""The network: characters, one or more LSTM layers, a choice among all characters.

x(t) character -> [embedding ->] LSTM layers -> dropout -> linear -> a(t)

p(character k comes next | characters 1 .. t) = softmax(a(t))_k
"""

from scratchnet.dropout import Dropout
from scratchnet.embedding import Embedding
from scratchnet.initializers import set_forget_bias
from scratchnet.linear import Linear
from scratchnet.lstm import LSTM
from scratchnet.optimizers import SGD, Adagrad, Adam, RMSprop
from scratchnet.schedules import Cosine, WarmUp
from scratchnet.sequential import Sequential

NETWORK = ("hidden", "layers", "embedding")  # the settings that decide names and shapes of the weights
WARM_UP = 50  # steps
FINAL = 0.02  # of the learning rate is left at the end


def make_network(settings, vocabulary, rng, dropout=0.0):
    """A network with fresh weights.

    Parameters
    ----------
    settings : dict with NETWORK
    vocabulary : V
    rng : numpy Generator; it also draws what dropout drops, ever after
    """
    H, E = settings["hidden"], settings["embedding"]
    below = [Embedding(vocabulary, E, rng)] if E else []
    lstm = LSTM(E or vocabulary, H, rng, num_layers=settings["layers"], dropout=dropout)
    set_forget_bias(lstm, 1.0)
    above = [Dropout(dropout, rng)] if dropout else []
    return Sequential([*below, lstm, *above, Linear(H, vocabulary, rng)])


def make_optimizer(config, network):
    """The optimizer of the settings."""
    both = network.params, network.grads
    if config.optimizer == "adam":
        return Adam(*both, config.lr, weight_decay=config.weight_decay, decoupled=True)
    if config.optimizer in ("sgd", "momentum"):
        return SGD(*both, config.lr, momentum=0.9 if config.optimizer == "momentum" else 0.0)
    return {"adagrad": Adagrad, "rmsprop": RMSprop}[config.optimizer](*both, config.lr)


def make_schedule(config):
    """The schedule of the settings, or None."""
    if not config.decay:
        return None
    return WarmUp(WARM_UP, Cosine(max(config.steps - WARM_UP, 1), final=FINAL))
