"""Optimizers against loops over single numbers, and against torch."""

import math

import numpy as np
import pytest

from scratchnet.optimizers import SGD, Adam, Optimizer, clip_global_norm

SHAPES = {"weight": (2, 3), "bias": (2,)}


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


@pytest.mark.parametrize("make", [SGD, Adam], ids=["sgd", "adam"])
def test_params_change_in_place_and_keep_their_precision(make, rng):
    params, grads = some_params(rng, np.float32)
    arrays = dict(params)
    before = {name: param.copy() for name, param in params.items()}
    optimizer = make(params, grads, lr=0.1)
    run(optimizer, rng, 2)
    for name, param in params.items():
        assert param is arrays[name] and param.dtype == np.float32 and (param != before[name]).all()
    for slot in optimizer.memory.values():
        assert all(array.dtype == np.float32 for array in slot.values())


@pytest.mark.parametrize("make", [SGD, Adam], ids=["sgd", "adam"])
def test_gradients_are_left_as_they_are(make, rng):
    params, grads = some_params(rng)
    taken = run(make(params, grads, lr=0.1), rng, 1)
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


@pytest.mark.torch
def test_torch_agrees(rng):
    torch = pytest.importorskip("torch")
    for make, theirs in (
        (lambda p, g: SGD(p, g, 0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        (
            lambda p, g: Adam(p, g, 0.01, (0.8, 0.95), 1e-4),
            lambda p: torch.optim.Adam(p, 0.01, (0.8, 0.95), 1e-4),
        ),
    ):
        params, grads = some_params(rng)
        tensors = {name: torch.tensor(param.copy(), requires_grad=True) for name, param in params.items()}
        taken = run(make(params, grads), rng, 10)
        optimizer = theirs(list(tensors.values()))
        for grad in taken:
            for name, tensor in tensors.items():
                tensor.grad = torch.tensor(grad[name])
            optimizer.step()
        for name, param in params.items():
            np.testing.assert_allclose(
                param, tensors[name].detach().numpy(), rtol=0, atol=1e-14, err_msg=name
            )


@pytest.mark.torch
def test_torch_clips_alike(rng):
    torch = pytest.importorskip("torch")
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
