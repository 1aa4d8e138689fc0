"""Which numbers of a kernel are float64 once it is compiled."""

from numba.core import compiler, typed_passes
from numba.core.registry import cpu_target
from numba.core.ssa import reconstruct_ssa


def own_kernels(module):
    """The kernels that a module defines."""
    return [k for k in vars(module).values() if hasattr(k, "py_func") and k.__module__ == module.__name__]


def wide_names(kernel, signature):
    """Names of the float64 variables. Typed anew: the cache of compiled code forgets them."""
    code = reconstruct_ssa(compiler.run_frontend(kernel.py_func))
    contexts = cpu_target.typing_context, cpu_target.target_context
    types = typed_passes.type_inference_stage(*contexts, code, signature, None).typemap
    return [name for name, kind in types.items() if "float64" in str(kind)]


def promotions(*modules):
    """{kernel: its float64 variables} for all calls of the modules' kernels so far without float64 arrays.

    A kernel that came from the cache makes those that it calls known only as it is looked at, so those with
    float64 arrays are looked at too.
    """
    found, checked = {}, set()
    while True:
        kernels = [kernel for module in modules for kernel in own_kernels(module)]
        todo = {(k, s) for k in kernels for s in k.signatures} - checked
        if not todo:
            break
        for kernel, signature in todo:
            wide = wide_names(kernel, signature)
            if "float64" not in str(signature):
                found.setdefault(kernel.__name__, []).extend(wide)
        checked |= todo
    return found
