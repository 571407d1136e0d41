"""Kernels as machine code: compiled once by numba, kept on disk, called without numba; those of the map are below.

A fresh process needs 0.4 s of CPU time to import numba and make it ready, more than the training itself takes. So numba
compiles each kernel on its first use on a machine; its machine code is stored, and later processes hand it to LLVM's
linker (llvmlite, which numba is built on). Kernels are in `immport_cyto.cluster.kernels`,
`immport_cyto.cluster.linkage` and `immport_cyto.cluster.flock.kernels`.

What is stored belongs to the source of the kernels, the version of LLVM and the processor; anything else, or a damaged
file, is compiled anew. Calls release the interpreter lock. Arrays have to be of the stated type and contiguous.
"""

import ctypes
import hashlib
import os
import threading
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.cluster._folders import cache_folders
from immport_cyto.exceptions import InputError

if TYPE_CHECKING:
    import llvmlite.binding as llvm

_SOURCES = ("_jit", "kernels", "lanes", "linkage", "native", "tiles")
_LIBRARY = {"memcpy", "memmove", "memset"}
"""Functions that LLVM may call by itself; every process has them."""
_FREE = "NRT_MemInfo_call_dtor"
"""numba's code to free an array that has no owner left. No kernel makes an array, so it is never called."""
_SCALARS: dict[str, Any] = {"int64": ctypes.c_int64, "float64": ctypes.c_double, "float32": ctypes.c_float}
_DIGEST = 32


class Kernel:
    """One compiled function, by the module it is in and its signature.

    Parameters
    ----------
    module, name
        Where its source is, below `immport_cyto.cluster`.
    parameters
        ``float32[:,:]`` for an array of two dimensions, ``int64``, ``float64``, ...
    result
        ``int64``, ``float64`` or empty.
    symbol
        Name of its machine code, where that is not `name`: of another module, or for other types.
    """

    def __init__(self, module: str, name: str, parameters: str, result: str = "", *, symbol: str = "") -> None:
        self.module, self.name, self.result, self.symbol = module, name, result, symbol or name
        self.parameters = [_parameter(text) for text in parameters.split()]
        self._lock = threading.Lock()
        self._function: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """Call it; returns its result, if it has one.

        Raises
        ------
        TypeError
            An array is of another type than the kernel was compiled for, or not contiguous.
        """
        if self._function is None:
            with self._lock:
                self._function = self._function or self._load()
        values: list[Any] = []
        for (kind, dimensions), argument in zip(self.parameters, arguments, strict=True):
            if not dimensions:
                values.append(_SCALARS[kind](argument))
                continue
            if argument.dtype != kind or argument.ndim != dimensions or not argument.flags.c_contiguous:
                msg = f"{self.name}: {kind} with {dimensions} dimensions is expected, not {argument.dtype}"
                raise TypeError(msg)
            values += [argument.ctypes.data, *argument.shape]
        result = _SCALARS[self.result]() if self.result else ctypes.c_void_p()
        status = self._function(ctypes.byref(result), ctypes.byref(ctypes.c_void_p()), *values)
        if status:
            msg = f"{self.name} ended with status {status}"
            raise RuntimeError(msg)
        return result.value if self.result else None

    def _load(self) -> Any:
        symbol = f"immport_cyto_{self.symbol}"
        stored = f"{self.symbol}-{_key(self.module)}.o"
        content = _stored(stored)
        if content is None:
            content = self._compile(symbol)
            _store(stored, content)
        engine = _engine()
        import llvmlite.binding as llvm

        engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        engine.finalize_object()
        types: list[Any] = [ctypes.c_void_p, ctypes.c_void_p]
        for kind, dimensions in self.parameters:
            types += [ctypes.c_void_p, *[ctypes.c_int64] * dimensions] if dimensions else [_SCALARS[kind]]
        return ctypes.CFUNCTYPE(ctypes.c_int32, *types)(engine.get_function_address(symbol))

    def _compile(self, symbol: str) -> bytes:
        """Machine code with one function, `symbol`, in numba's calling convention: results go through pointers."""
        import llvmlite.binding as llvm
        import numba

        from immport_cyto.cluster._jit import FASTMATH

        kernel = getattr(import_module(f"immport_cyto.cluster.{self.module}"), self.name)
        kinds, names, values = [], [], []
        for i, (kind, dimensions) in enumerate(self.parameters):
            own = [f"a{i}", *(f"a{i}_{side}" for side in range(dimensions))]
            names += own
            values.append(f"carray({own[0]}, ({', '.join(own[1:])},))" if dimensions else own[0])
            scalar = getattr(numba.types, "boolean" if kind == "bool" else kind)
            kinds += [numba.types.CPointer(scalar), *[numba.types.int64] * dimensions] if dimensions else [scalar]
        scope: dict[str, Any] = {"kernel": kernel, "carray": numba.carray}
        exec(f"def entry({', '.join(names)}):\n    return kernel({', '.join(values)})", scope)  # noqa: S102
        result = getattr(numba.types, self.result) if self.result else numba.types.void
        made = numba.cfunc(result(*kinds), fastmath=FASTMATH)(scope["entry"])
        module = llvm.parse_assembly(made.inspect_llvm())
        native = made.native_name.removeprefix("cfunc.")
        for function in module.functions:
            if not function.is_declaration and function.name != native:
                function.linkage = "internal"
        module.get_function(native).name = symbol
        machine = _machine()
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
        passes = llvm.create_new_module_pass_manager()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_strip_dead_prototype_pass()
        passes.run(module, builder)
        needed = {function.name for function in module.functions if function.is_declaration}
        if strange := {name for name in needed if not name.startswith("llvm.")} - _LIBRARY - {_FREE}:
            msg = f"{self.name} calls {', '.join(sorted(strange))}, which is not there without numba"
            raise RuntimeError(msg)
        code: bytes = machine.emit_object(module)
        return code


def _parameter(text: str) -> tuple[str, int]:
    kind, _, sides = text.partition("[")
    return kind, sides.count(":")


def _stored(name: str) -> bytes | None:
    """Machine code in one of the folders, whole; else None."""
    for folder in cache_folders():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
            return content[_DIGEST:]
    return None


def _store(name: str, content: bytes) -> None:
    """Keep machine code in the first folder that can be written, if there is one."""
    from immport_cyto.files import atomic_path

    for folder in cache_folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(hashlib.sha256(content).digest() + content)
        except (OSError, InputError):
            continue
        return


@cache
def _key(module: str) -> str:
    """What machine code of a module belongs to: the sources, the compiler and the processor."""
    import llvmlite

    content = hashlib.sha256("\n".join([llvmlite.__version__, os.uname().machine, *_processor()]).encode())
    for name in sorted({*_SOURCES, module}):
        content.update((Path(__file__).parent / f"{name.replace('.', '/')}.py").read_bytes())
    return content.hexdigest()[:24]


@cache
def _processor() -> tuple[str, str]:
    """Name and features of the processor to compile for: this one, or what numba's settings say."""
    import llvmlite.binding as llvm

    name, features = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    return (
        llvm.get_host_cpu_name() if name in (None, "host") else str(name),
        llvm.get_host_cpu_features().flatten() if features is None else features,
    )


@cache
def _machine() -> "llvm.TargetMachine":
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = _processor()
    relocation = "static" if os.uname().machine == "x86_64" else "default"
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=3, reloc=relocation, codemodel="jitdefault", jit=True
    )


@cache
def _engine() -> "llvm.ExecutionEngine":
    import llvmlite.binding as llvm

    machine = _machine()
    llvm.add_symbol(_FREE, ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


DISTANCES = ("euclidean", "manhattan", "chebyshev", "cosine")


class ByDistance:
    """A kernel for each of `DISTANCES`, by its name and what it takes; called with the distance first."""

    def __init__(self, name: str, parameters: str) -> None:
        self._kernels = {distance: Kernel("kernels", f"{name}_{distance}", parameters) for distance in DISTANCES}

    def __call__(self, distance: str, *arguments: Any) -> None:
        """Call the kernel of a distance."""
        self._kernels[distance](*arguments)


AHEAD = 128
"""Events that `train_online` copies at a time."""

_SCALING = "float32[:] float32[:]"
assign = ByDistance("assign", f"float32[:,:] {_SCALING} float32[:,:,:] int64 int32[:] float32[:] float32[:]")
node_sums = ByDistance("node_sums", f"float32[:,:] {_SCALING} float32[:,:,:] float64[:,:] int64[:] float32[:]")
train_online = ByDistance(
    "train_online",
    f"float32[:,:] int32[:] int64 int64 {_SCALING} float32[:,:,:] uint16[:,:] uint16[:,:] uint16[:,:] "
    "float64 float64 float64 float32[:,:] float32[:]",
)
smooth = Kernel("kernels", "smooth", "float64[:,:] float64[:,:] float64[:] float64[:,:] float64[:]")
describe = Kernel("kernels", "describe", "int32[:] float32[:] int64 int64[:] bool[:]", "float64")
by_node = Kernel("kernels", "by_node", "int32[:] float32[:] int64[:] float32[:]")
middles = Kernel("kernels", "middles", "float32[:] int64[:] float64[:] float64[:]")
scan = Kernel("kernels", "scan", "float32[:,:] float64[:] float64[:] float64[:]", "int64")
squares = Kernel("kernels", "squares", "float32[:,:] float64[:] float64[:]")
cut_average_linkage = Kernel(
    "linkage", "cut_average_linkage",
    "float64[:,:] int64[:] int64[:,:] float64[:] float64[:] int64[:] int64[:]",
)  # fmt: skip
count_together = Kernel(
    "linkage", "count_together",
    "float64[:,:] int64[:,:] int64[:] uint16[:,:] uint16[:,:,:] float64[:,:] int64[:,:] uint16[:] float64[:] "
    "float64[:] int64[:] int64[:]",
)  # fmt: skip
