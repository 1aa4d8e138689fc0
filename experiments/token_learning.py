"""How networks of tokens learn: optimizer and schedule of the settings (token_settings.py)."""

from scratchnet.optimizers import SGD, Adagrad, Adam, RMSprop
from scratchnet.schedules import Cosine, WarmUp

WARM_UP = 50  # steps
FINAL = 0.02  # of the learning rate is left at the end


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
