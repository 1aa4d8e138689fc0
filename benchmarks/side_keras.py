"""The cases in Keras 3 on TensorFlow: its LSTM, GRU and SimpleRNN layers, batch first.

Three ways to train, the fastest counts: `train_on_batch`, and one step written with a GradientTape under
tf.function, plain and compiled by XLA. Keras adds one bias where the others add two, so that what Adam makes
of it differs a little; the gradients are the same.
"""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.cases import LR

RECURRENT = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
NAME, VERSION = "Keras", f"{keras.__version__}, TensorFlow {tf.__version__}"
tf.get_logger().setLevel("ERROR")  # it warns that each case is compiled anew
_threads = []  # TensorFlow takes the number of threads once


def swap_gates(case, a):
    """Between PyTorch's order of a GRU's gates, r z n, and Keras' z r n, along axis 0."""
    if case.layer != "gru":
        return a
    r, z, n = np.split(np.asarray(a), 3)
    return np.concatenate([z, r, n])


class Attention(keras.layers.Dense):
    """[h, context], by running sums; (B, T, H)."""

    def __init__(self):
        super().__init__(1, activation="tanh")

    def call(self, h):
        weight = tf.exp(super().call(h))
        return tf.concat([h, tf.cumsum(weight * h, 1) / tf.cumsum(weight, 1)], -1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2 * shape[-1])


def build(case):
    """The network, a functional model of (B, T) or (B, T, D)."""
    x = inputs = keras.Input((None,), dtype="int32") if case.tokens else keras.Input((None, case.D))
    layers = []
    if case.tokens and case.E is None:  # rows of the unit matrix: one-hot vectors
        one_hot = keras.layers.Embedding(case.V, case.V, embeddings_initializer="identity", trainable=False)
        x = one_hot(x)
    elif case.tokens:
        layers.append(keras.layers.Embedding(case.V, case.E))
    if case.C:
        convolution = keras.layers.SeparableConv1D if case.separable else keras.layers.Conv1D
        layers.append(convolution(case.C, case.K, activation="relu"))
    if case.norm:
        layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5))
    layers += [RECURRENT[case.layer](case.H, return_sequences=True) for _ in range(case.depth)]
    layers += [Attention()] * case.attention + [keras.layers.Dense(case.V)]
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x), layers


def cross_entropy(t, a):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(t, tf.int32), a))


def frame_cross_entropy(t, a):
    return tf.reduce_mean(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(t, a), -1))


class Model:
    """One case; see side_torch.Model."""

    def __init__(self, case, weights, threads):
        if not _threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
            _threads.append(threads)
        keras.backend.clear_session()
        self.case = case
        self.net, self.layers = build(case)
        self.loss = frame_cross_entropy if case.frames else cross_entropy
        self.modes = (
            ("while loop",) if case.sampling else ("train_on_batch", "tf.function", "tf.function, XLA")
        )
        for layer, arrays in zip(self.layers, self._arrays(weights), strict=True):
            layer.set_weights(arrays)
        self.adam = keras.optimizers.Adam(LR, epsilon=1e-8)
        if not case.sampling:
            self.net.compile(self.adam, self.loss)
            self.adam.build(self.net.trainable_variables)
        self._train = {
            "tf.function": tf.function(self._train_step),
            "tf.function, XLA": tf.function(self._train_step, jit_compile=True),
        }
        self._draw = tf.function(self._draw_tokens)
        self.use(self.modes[0])

    def _arrays(self, weights):
        """The weights in the order and shapes of Keras, layer by layer."""
        for layer, place in self.case.places.items():
            if layer == "recurrent":
                for n in range(self.case.depth):
                    ih, hh, b_ih, b_hh = (
                        swap_gates(self.case, weights[f"{place}.{name}_l{n}"])
                        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                    )
                    yield [ih.T, hh.T, np.stack([b_ih, b_hh]) if self.case.layer == "gru" else b_ih + b_hh]
            elif layer == "embedding":
                yield [weights[f"{place}.weight"]]
            elif layer == "convolution" and self.case.separable:
                depthwise, pointwise, bias = (
                    weights[f"{place}.{name}"]
                    for name in ("depthwise.weight", "pointwise.weight", "pointwise.bias")
                )
                yield [depthwise.transpose(2, 0, 1), pointwise.T, bias]
            elif layer == "norm":
                zeros = np.zeros(self.case.input_size)
                yield [weights[f"{place}.weight"], weights[f"{place}.bias"], zeros, zeros + 1]
            elif layer != "relu":
                yield [weights[f"{place}.weight"].T, weights[f"{place}.bias"]]

    def _named(self, grads):
        """Gradients in Keras' order as PyTorch's, by name."""
        grads, named = iter([np.asarray(tf.convert_to_tensor(g)) for g in grads]), {}
        for layer, place in self.case.places.items():
            if layer == "recurrent":
                for n in range(self.case.depth):
                    ih, hh, bias = (next(grads) for _ in range(3))
                    biases = bias if self.case.layer == "gru" else (bias, bias)
                    for name, g in zip(
                        ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (ih.T, hh.T, *biases), strict=True
                    ):
                        named[f"{place}.{name}_l{n}"] = swap_gates(self.case, g)
            elif layer == "embedding":
                named[f"{place}.weight"] = next(grads)
            elif layer == "convolution" and self.case.separable:
                named[f"{place}.depthwise.weight"] = next(grads).transpose(1, 2, 0)
                named[f"{place}.pointwise.weight"] = next(grads).T
                named[f"{place}.pointwise.bias"] = next(grads)
            elif layer == "norm":
                named[f"{place}.weight"], named[f"{place}.bias"] = next(grads), next(grads)
            elif layer != "relu":
                named[f"{place}.weight"], named[f"{place}.bias"] = next(grads).T, next(grads)
        return named

    def use(self, mode):
        self.mode = mode

    def take(self, x, t):
        axes = {2: (1, 0), 3: (2, 0, 1)}
        self.x, self.t = (
            tf.constant(a.transpose(axes[a.ndim]), tf.int32 if a.ndim == 2 else tf.float32) for a in (x, t)
        )

    def logits(self):
        return self.net(self.x, training=True).numpy().transpose(1, 2, 0)

    def _tape(self, x, t):
        with tf.GradientTape() as tape:
            loss = self.loss(t, self.net(x, training=True))
        return loss, tape.gradient(loss, self.net.trainable_variables)

    def _train_step(self, x, t):
        loss, grads = self._tape(x, t)
        self.adam.apply(grads, self.net.trainable_variables)
        return loss

    def gradients(self):
        loss, grads = tf.function(self._tape)(self.x, self.t)
        return float(loss), self._named(grads)

    def step(self):
        if self.mode == "train_on_batch":
            self.net.reset_metrics()  # the loss of this batch, not the mean of all
            return float(self.net.train_on_batch(self.x, self.t))
        return float(self._train[self.mode](self.x, self.t))

    def _draw_tokens(self, start, steps, temperature):
        embedding, lstm, linear = self.layers
        states = [tf.zeros((start.shape[0], self.case.H))] * 2
        token, tokens = start, tf.TensorArray(tf.int32, steps)
        for t in tf.range(steps):
            h, states = lstm.cell(embedding(token), states)
            token = tf.random.categorical(linear(h) / temperature, 1, tf.int32)[:, 0]
            tokens = tokens.write(t, token)
        return tokens.stack()

    def sample(self, start, steps, temperature=1.0):
        return self._draw(tf.constant(start, tf.int32), tf.constant(steps), tf.constant(temperature)).numpy()
