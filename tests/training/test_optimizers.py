"""Optimizers against loops over single numbers, and against torch."""

import math

import numba
import numpy as np
import pytest
from compiled_types import promotions

from scratchnet.kernels import team
from scratchnet.layers.linear import Linear
from scratchnet.training import optimizers
from scratchnet.training import trainer as training
from scratchnet.training.losses import softmax_cross_entropy
from scratchnet.training.optimizers import SGD, Adagrad, Adam, Diverged, Optimizer, RMSprop, clip_global_norm

SHAPES = {"weight": (2, 3), "bias": (2,)}
MAKERS = {
    "sgd": lambda p, g, **more: SGD(p, g, 0.1, momentum=0.9, **more),
    "nesterov": lambda p, g, **more: SGD(p, g, 0.1, momentum=0.9, nesterov=True, **more),
    "adagrad": lambda p, g, **more: Adagrad(p, g, 0.1, **more),
    "rmsprop": lambda p, g, **more: RMSprop(p, g, 0.01, momentum=0.5, **more),
    "adam": lambda p, g, **more: Adam(p, g, 0.01, **more),
    "adamw": lambda p, g, **more: Adam(p, g, 0.01, decoupled=True, **more),
}
makers = pytest.mark.parametrize("name", MAKERS)


@pytest.fixture(params=[1, 2, 3])
def workers(request):
    """However many threads there are, and however little work."""
    before = team._state["size"], optimizers.LITTLE
    team.set_size(request.param)
    optimizers.LITTLE = 0
    yield request.param
    team.set_size(before[0])
    optimizers.LITTLE = before[1]


def some_params(rng, dtype=np.float64):
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}
    return params, {name: np.zeros_like(param) for name, param in params.items()}


def run(optimizer, rng, steps):
    """`steps` steps along random gradients; returns the gradients taken, as a list of dicts."""
    taken = []
    for _ in range(steps):
        for grad in optimizer.grads.values():
            grad[...] = rng.normal(size=grad.shape)
        taken.append({name: grad.copy() for name, grad in optimizer.grads.items()})
        optimizer.step()
    return taken


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_number_by_number(momentum, rng):
    params, grads = some_params(rng)
    start = {name: param.copy() for name, param in params.items()}
    taken = run(SGD(params, grads, lr=0.1, momentum=momentum), rng, 5)
    for name, param in params.items():
        for index in np.ndindex(param.shape):
            w, v = start[name][index], 0.0
            for grad in taken:
                v = momentum * v - 0.1 * grad[name][index]
                w += v
            assert param[index] == pytest.approx(w, rel=1e-14)


def test_sgd_takes_a_new_rate_into_new_steps_only(rng):
    """Plaut's form: velocity keeps the rate at which it was gained. (In torch's, a new one changes it.)"""
    params, grads = {"w": np.zeros(1)}, {"w": np.ones(1)}
    optimizer = SGD(params, grads, lr=1.0, momentum=0.5)
    optimizer.step()
    assert params["w"] == -1.0
    optimizer.lr = 0.125
    optimizer.step()
    assert params["w"] == -1.0 - 0.5 - 0.125


def test_adam_number_by_number(rng):
    params, grads = some_params(rng)
    start = {name: param.copy() for name, param in params.items()}
    taken = run(Adam(params, grads, lr=0.01, betas=(0.8, 0.95), eps=1e-3), rng, 6)
    for name, param in params.items():
        for index in np.ndindex(param.shape):
            w, m, v = start[name][index], 0.0, 0.0
            for n, grad in enumerate(taken, start=1):
                g = grad[name][index]
                m = 0.8 * m + 0.2 * g
                v = 0.95 * v + 0.05 * g * g
                w -= 0.01 * (m / (1 - 0.8**n)) / (math.sqrt(v / (1 - 0.95**n)) + 1e-3)
            assert param[index] == pytest.approx(w, rel=1e-13)


def test_the_first_step_of_adam_is_as_long_as_the_rate():
    params, grads = {"w": np.zeros(3)}, {"w": np.array([1e-3, -5.0, 1e3])}
    Adam(params, grads, lr=0.01, eps=0.0).step()
    np.testing.assert_allclose(params["w"], [-0.01, 0.01, -0.01], rtol=1e-13)


@makers
def test_params_change_in_place_and_keep_their_precision(name, rng):
    params, grads = some_params(rng, np.float32)
    arrays = dict(params)
    before = {name: param.copy() for name, param in params.items()}
    optimizer = MAKERS[name](params, grads, weight_decay=0.1)
    run(optimizer, rng, 2)
    for name, param in params.items():
        assert param is arrays[name] and param.dtype == np.float32 and (param != before[name]).all()
    for slot in optimizer.memory.values():
        assert all(array.dtype == np.float32 for array in slot.values())


@makers
def test_gradients_are_left_as_they_are(name, rng):
    params, grads = some_params(rng)
    taken = run(MAKERS[name](params, grads, weight_decay=0.1), rng, 1)
    for name, grad in grads.items():
        np.testing.assert_array_equal(grad, taken[0][name])


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_learning_rates_out_of_range_are_refused(lr):
    with pytest.raises(ValueError, match="expected lr > 0"):
        SGD({}, {}, lr)


def test_other_numbers_out_of_range_are_refused():
    for momentum in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"expected momentum in \[0, 1\)"):
            SGD({}, {}, 0.1, momentum)
    for betas in ((1.0, 0.9), (0.9, -0.1), (math.nan, 0.9)):
        with pytest.raises(ValueError, match=r"expected betas in \[0, 1\)"):
            Adam({}, {}, betas=betas)


def test_the_base_class_says_what_is_missing():
    with pytest.raises(TypeError, match="rule"):
        Optimizer({"w": np.zeros(1)}, {"w": np.zeros(1)}, 0.1)


def test_clipping_scales_all_gradients_alike():
    grads = {"a": np.array([[3.0, 0.0]]), "b": np.array([-4.0])}
    assert clip_global_norm(grads, 10.0) == 5.0
    np.testing.assert_array_equal(grads["a"], [[3, 0]])
    assert clip_global_norm(grads, 1.0) == 5.0
    np.testing.assert_allclose(grads["a"], [[0.6, 0]], rtol=1e-15)
    np.testing.assert_allclose(grads["b"], [-0.8], rtol=1e-15)
    assert clip_global_norm(grads, 1.0) == pytest.approx(1.0, rel=1e-15)


def test_clipping_leaves_zero_and_float32_alone():
    grads = {"a": np.zeros(2, np.float32)}
    assert clip_global_norm(grads, 1.0) == 0.0
    assert (grads["a"] == 0).all()
    grads["a"][:] = 30, 40
    array = grads["a"]
    assert clip_global_norm(grads, 1.0) == 50.0
    assert grads["a"] is array and array.dtype == np.float32
    np.testing.assert_allclose(array, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_a_limit_that_is_not_positive_is_refused(limit):
    grads = {"a": np.ones(2)}
    with pytest.raises(ValueError, match="expected limit > 0"):
        clip_global_norm(grads, limit)
    assert (grads["a"] == 1).all()


# ------------------------------------------------------------------------------ every rule, number by number


def naive_step(rule, w, g, memory, n, *, lr, decay=0.0, **c):
    """The new weight, by the papers; `memory` is a dict of numbers that this one number remembers."""
    if rule == "adam" and c.get("decoupled"):
        w -= lr * decay * w
        decay = 0.0
    g += decay * w
    if rule == "sgd":
        memory["v"] = c["momentum"] * memory.get("v", 0.0) - lr * g
        return w + (c["momentum"] * memory["v"] - lr * g if c.get("nesterov") else memory["v"])
    if rule == "adagrad":
        memory["s"] = memory.get("s", 0.0) + g**2
        return w - lr * g / (math.sqrt(memory["s"]) + c["eps"])
    if rule == "rmsprop":
        memory["s"] = c["alpha"] * memory.get("s", 0.0) + (1 - c["alpha"]) * g**2
        memory["v"] = c["momentum"] * memory.get("v", 0.0) + g / (math.sqrt(memory["s"]) + c["eps"])
        return w - lr * memory["v"]
    b1, b2 = c["betas"]
    memory["m"] = b1 * memory.get("m", 0.0) + (1 - b1) * g
    memory["s"] = b2 * memory.get("s", 0.0) + (1 - b2) * g**2
    return w - lr * (memory["m"] / (1 - b1**n)) / (math.sqrt(memory["s"] / (1 - b2**n)) + c["eps"])


OPTIONS = [
    ("sgd", {"lr": 0.1, "momentum": 0.0}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "decay": 0.1}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "decay": 0.1}),
    ("adagrad", {"lr": 0.1, "eps": 1e-10}),
    ("adagrad", {"lr": 0.1, "eps": 1e-2, "decay": 0.1}),
    ("rmsprop", {"lr": 0.01, "alpha": 0.9, "eps": 1e-8, "momentum": 0.0}),
    ("rmsprop", {"lr": 0.01, "alpha": 0.99, "eps": 1e-2, "momentum": 0.8, "decay": 0.1}),
    ("adam", {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}),
    ("adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-2, "decay": 0.1}),
    ("adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "decay": 0.1, "decoupled": True}),
    ("adam", {"lr": 0.01, "betas": (0.0, 0.0), "eps": 1e-4}),
]
CLASSES = {"sgd": SGD, "adagrad": Adagrad, "rmsprop": RMSprop, "adam": Adam}
options = pytest.mark.parametrize(("rule", "numbers"), OPTIONS)


def make_ours(rule, numbers, params, grads):
    numbers = {"weight_decay" if key == "decay" else key: value for key, value in numbers.items()}
    return CLASSES[rule](params, grads, **numbers)


@options
def test_every_rule_number_by_number(rule, numbers, workers, rng):
    params, grads = some_params(rng)
    start = {name: param.copy() for name, param in params.items()}
    taken = run(make_ours(rule, numbers, params, grads), rng, 7)
    for name, param in params.items():
        for index in np.ndindex(param.shape):
            w, memory = float(start[name][index]), {}
            for n, grad in enumerate(taken, start=1):
                w = naive_step(rule, w, float(grad[name][index]), memory, n, **numbers)
            assert param[index] == pytest.approx(w, rel=1e-12)


@options
def test_float32_is_close_to_float64(rule, numbers, rng):
    double, grads = some_params(rng)
    single = {name: param.astype(np.float32) for name, param in double.items()}
    for name, param in double.items():
        param[...] = single[name]
    one = make_ours(rule, numbers, double, grads)
    other = make_ours(rule, numbers, single, {name: np.zeros_like(param) for name, param in single.items()})
    for _ in range(10):
        for name, grad in grads.items():
            other.grads[name][...] = rng.normal(size=grad.shape)
            grad[...] = other.grads[name]
        one.step()
        other.step()
    for name, param in double.items():
        np.testing.assert_allclose(single[name], param, rtol=1e-5, atol=1e-6)


@makers
def test_only_the_parameters_that_decay_decay(name, rng):
    """The bias moves as if there were no decay, the weight as if all decayed."""
    results = []
    for more in ({}, {"weight_decay": 0.3}, {"weight_decay": 0.3, "decays": lambda name: name != "bias"}):
        params, grads = some_params(np.random.default_rng(1))
        run(MAKERS[name](params, grads, **more), np.random.default_rng(2), 3)
        results.append(params)
    none, all_decay, some = results
    np.testing.assert_array_equal(some["bias"], none["bias"])
    np.testing.assert_array_equal(some["weight"], all_decay["weight"])
    assert (none["weight"] != all_decay["weight"]).all() and (none["bias"] != all_decay["bias"]).all()


def test_decay_alone_makes_weights_smaller():
    for name, make in MAKERS.items():
        params = {"w": np.array([1.0, -2.0])}
        optimizer = make(params, {"w": np.zeros(2)}, weight_decay=0.1)
        optimizer.step()
        assert (abs(params["w"]) < [1, 2]).all(), name
    np.testing.assert_allclose(params["w"], [0.999, -1.998], rtol=1e-15)  # decoupled: by lr decay w


@makers
def test_the_number_of_workers_does_not_matter(name, rng):
    results, before = [], (team._state["size"], optimizers.LITTLE)
    optimizers.LITTLE = 0
    for size in (1, 2, 3):
        team.set_size(size)
        params, grads = some_params(np.random.default_rng(1))
        run(MAKERS[name](params, grads), np.random.default_rng(2), 3)
        results.append(params)
    team.set_size(before[0])
    optimizers.LITTLE = before[1]
    for other in results[1:]:
        for key, param in other.items():
            np.testing.assert_allclose(param, results[0][key], rtol=1e-15)


@makers
def test_training_goes_on_from_a_state(name, rng):
    whole = MAKERS[name](*some_params(np.random.default_rng(1)))
    taken = run(whole, rng, 7)
    first, second = (MAKERS[name](*some_params(np.random.default_rng(1))) for _ in range(2))

    def replay(optimizer, steps):
        for grad in steps:
            for key, array in optimizer.grads.items():
                array[...] = grad[key]
            optimizer.step()

    replay(first, taken[:4])
    state, weights = first.state_dict(), {key: param.copy() for key, param in first.params.items()}
    assert state.keys() == {"steps", *(f"{slot}.{key}" for slot in first.slots for key in SHAPES)}
    assert state["steps"] == 4 and isinstance(state["steps"], np.ndarray)
    replay(first, taken[4:])  # the state is a copy: this does not reach it
    arrays = [array for slot in second.memory.values() for array in slot.values()]
    second.load_state_dict(state)
    again = [array for slot in second.memory.values() for array in slot.values()]
    assert all(a is b for a, b in zip(arrays, again, strict=True))
    for key, param in second.params.items():
        param[...] = weights[key]
    replay(second, taken[4:])
    for key, param in second.params.items():
        np.testing.assert_array_equal(param, whole.params[key])
    assert second.steps == 7


def test_states_that_do_not_fit_are_refused_and_change_nothing(rng):
    optimizer = Adam(*some_params(rng, np.float32))
    run(optimizer, rng, 2)
    good = optimizer.state_dict()
    without = {key: value for key, value in good.items() if key != "m.bias"}
    for state, message in (
        (without, r"missing \['m.bias'\], unknown \[\]"),
        (good | {"velocity.bias": np.zeros(2)}, r"unknown \['velocity.bias'\]"),
        (good | {"v.weight": np.zeros((3, 2))}, r"expected v.weight of shape \(2, 3\), got \(3, 2\)"),
        (good | {"v.weight": np.full((2, 3), np.nan)}, "expected finite numbers in v.weight"),
        (good | {"v.weight": np.full((2, 3), 1e300)}, "expected finite numbers in v.weight"),
        (good | {"steps": np.array(-1)}, "expected steps"),
        (good | {"steps": np.array(1.5)}, "expected whole numbers in steps"),
        (good | {"steps": np.array([1])}, "expected steps"),
    ):
        changed = {key: value + 1 if key == "m.weight" else value for key, value in state.items()}
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(changed)
        for key, value in optimizer.state_dict().items():
            np.testing.assert_array_equal(value, good[key])
    optimizer.load_state_dict(good | {"steps": 9})
    assert optimizer.steps == 9


def test_gradients_that_do_not_fit_are_refused():
    params = {"a": np.zeros((2, 3)), "b": np.zeros(2)}
    for grads in (
        {"a": np.zeros((2, 3))},
        {"a": np.zeros((3, 2)), "b": np.zeros(2)},
        {**params, "c": np.zeros(1)},
    ):
        with pytest.raises(ValueError, match="expected params and grads of equal names and shapes"):
            Adam(params, grads)
    optimizer = Adam(params, {name: np.ones_like(param) for name, param in params.items()})
    optimizer.grads["b"] = np.ones(1)
    with pytest.raises(ValueError, match=r"expected grad b of shape \(2,\), got \(1,\)"):
        optimizer.step()
    assert optimizer.steps == 0 and (params["a"] == 0).all()
    with pytest.raises(ValueError, match="contiguous"):
        Adam({"a": np.zeros((2, 3)).T}, {"a": np.zeros((3, 2))})


def test_gradients_may_be_of_any_layout_and_precision(rng):
    g = rng.normal(size=(3, 2)).astype(np.float32)
    one, other = {"w": np.zeros((2, 3))}, {"w": np.zeros((2, 3))}
    Adam(one, {"w": g.T}).step()
    Adam(other, {"w": g.T.copy().astype(np.float64)}).step()
    np.testing.assert_array_equal(one["w"], other["w"])


def test_further_numbers_out_of_range_are_refused():
    for make in (SGD, Adagrad, RMSprop, Adam):
        for decay in (-0.1, math.nan, math.inf):
            with pytest.raises(ValueError, match="expected weight_decay >= 0"):
                make({}, {}, 0.1, weight_decay=decay)
    for make in (Adagrad, RMSprop, Adam):
        for eps in (-1e-8, math.nan, math.inf):
            with pytest.raises(ValueError, match="expected eps >= 0"):
                make({}, {}, 0.1, eps=eps)
    for number in (1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match=r"expected alpha in \[0, 1\)"):
            RMSprop({}, {}, alpha=number)
        with pytest.raises(ValueError, match=r"expected momentum in \[0, 1\)"):
            RMSprop({}, {}, momentum=number)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_clipping_shows_what_has_gone_astray_and_leaves_it(value, workers):
    for dtype in (np.float32, np.float64):
        grads = {"a": np.array([3.0, value], dtype), "b": np.full(5, 7, dtype)}
        assert not clip_global_norm(grads, 1.0) < math.inf
        np.testing.assert_array_equal(grads["a"], np.array([3, value], dtype))
        assert (grads["b"] == 7).all()


def test_the_norm_is_a_sum_in_float64(workers, rng):
    grads = {"a": rng.normal(size=(700, 300)).astype(np.float32), "b": np.full(3, 1e25, np.float32)}
    expected = math.sqrt(sum(math.fsum(float(x) ** 2 for x in grad.ravel()) for grad in grads.values()))
    assert clip_global_norm(grads, math.inf) == pytest.approx(
        expected, rel=1e-12
    )  # though 1e50 is no float32
    assert (grads["b"] == np.float32(1e25)).all()
    del grads["b"]
    expected = math.sqrt(math.fsum(float(x) ** 2 for x in grads["a"].ravel()))
    assert clip_global_norm({"t": grads["a"].T}, math.inf) == pytest.approx(expected, rel=1e-12)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_no_kernel_promotes_float32(rng):
    for make in MAKERS.values():
        run(make(*some_params(rng, np.float32)), rng, 1)
    found = promotions(optimizers)
    for name in ("sgd", "adagrad", "rmsprop", "adam"):
        assert found[name] == []


@pytest.mark.torch
@options
def test_torch_agrees(rule, numbers, rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    theirs = {key: value for key, value in numbers.items() if key not in ("decay", "decoupled")}
    kind = {"sgd": "SGD", "adagrad": "Adagrad", "rmsprop": "RMSprop", "adam": "Adam"}[rule]
    kind = "AdamW" if numbers.get("decoupled") else kind
    params, grads = some_params(rng)
    tensors = {name: torch.tensor(param.copy(), requires_grad=True) for name, param in params.items()}
    optimizer = getattr(torch.optim, kind)(
        list(tensors.values()), weight_decay=numbers.get("decay", 0.0), **theirs
    )
    taken = run(make_ours(rule, numbers, params, grads), rng, 20)
    for grad in taken:
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(grad[name])
        optimizer.step()
    for name, param in params.items():
        np.testing.assert_allclose(param, tensors[name].detach().numpy(), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.torch
def test_the_defaults_are_torchs(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    for make, theirs in (
        (lambda p, g: Adagrad(p, g), torch.optim.Adagrad),
        (lambda p, g: RMSprop(p, g), torch.optim.RMSprop),
        (lambda p, g: Adam(p, g), torch.optim.Adam),
        (lambda p, g: Adam(p, g, weight_decay=0.01, decoupled=True), torch.optim.AdamW),
    ):
        params, grads = some_params(rng)
        tensors = {name: torch.tensor(param.copy(), requires_grad=True) for name, param in params.items()}
        optimizer = theirs(list(tensors.values()))
        for grad in run(make(params, grads), rng, 20):
            for name, tensor in tensors.items():
                tensor.grad = torch.tensor(grad[name])
            optimizer.step()
        for name, param in params.items():
            np.testing.assert_allclose(param, tensors[name].detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.torch
def test_torch_clips_alike(rng):
    torch = pytest.importorskip("torch", reason="compares with PyTorch, which is no dependency")
    _, grads = some_params(rng)
    for grad in grads.values():
        grad[...] = rng.normal(size=grad.shape)
    tensors = [torch.zeros(grad.shape, dtype=torch.float64, requires_grad=True) for grad in grads.values()]
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(grad.copy())
    norm = torch.nn.utils.clip_grad_norm_(tensors, 0.5).item()
    assert clip_global_norm(grads, 0.5) == pytest.approx(norm, rel=1e-14)
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-5)  # torch adds 1e-6 to the norm


@makers
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_no_number_is_said_and_changes_nothing(name, wrong, rng):
    params, grads = some_params(rng)
    optimizer = MAKERS[name](params, grads, weight_decay=0.1)
    run(optimizer, rng, 2)
    grads["bias"][-1] = wrong
    state = {key: array.copy() for key, array in optimizer.state_dict().items()}
    weights = {key: param.copy() for key, param in params.items()}
    with pytest.raises(Diverged, match="at step 3 the gradient of bias is NaN or infinite.*a smaller lr"):
        optimizer.step()
    for key, param in params.items():
        np.testing.assert_array_equal(param, weights[key])
    for key, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, state[key])
    assert isinstance(Diverged(), ArithmeticError) and training.Diverged is Diverged


def test_learning_that_blows_up_is_said():
    """Logistic regression whose steps are far too long."""
    rng = np.random.default_rng(0)
    layer, x, t = Linear(3, 2, rng), 1e3 * rng.normal(size=(4, 3, 5)), rng.integers(0, 2, (4, 5))
    optimizer = SGD(layer.params, layer.grads, 1e38)
    with pytest.raises(Diverged, match="at step 2 the gradient of weight"):
        for _ in range(3):
            layer.zero_grad()
            with np.errstate(all="ignore"):
                loss, da = softmax_cross_entropy(layer.forward(x), t)
                layer.backward(da)
            optimizer.step()
    assert not math.isfinite(loss)


@pytest.mark.parametrize("make", [SGD, Adagrad, RMSprop, Adam])
def test_a_rate_that_single_precision_does_not_hold_is_refused(make):
    single, double = ({"w": np.ones(2, kind)} for kind in (np.float32, np.float64))
    with pytest.raises(ValueError, match=r"expected lr <= 3.40282e\+38 for float32, got 1e\+300"):
        make(single, {"w": np.ones(2, np.float32)}, 1e300)
    make(double, {"w": np.ones(2)}, 1e300)
    optimizer = make(single, {"w": np.ones(2, np.float32)}, 0.1)
    for rate, message in (
        (1e300, "for float32"),
        (math.nan, "lr >= 0"),
        (-1.0, "lr >= 0"),
        (None, "lr >= 0"),
    ):
        optimizer.lr = rate
        with pytest.raises(ValueError, match=message):
            optimizer.step()
    assert optimizer.steps == 0 and (single["w"] == 1).all()
