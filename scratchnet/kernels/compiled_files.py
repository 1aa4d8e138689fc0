"""Files of compiled code: Numba's cache, made robust.

Numba loads whatever its cache holds. A file truncated by a full disk, or with one flipped bit, ends every
later run with a traceback or, in machine code, with a crash. So here

    - each file ends with a checksum, which is verified before anything else: a damaged file is compiled again
      and replaced, with one warning that names the folder;
    - if nothing can be written, now or later, there is one warning that names the folder, and nothing more is
      kept;
    - there is one file per kernel and argument types, and no index that processes would have to share. Its
      end also says what it is for: kernel, types, processor, version of the source. A file that was put in
      the place of another is not loaded.

The checksum protects against accidents. Numba's files are pickled: whoever can write to the folder can run
code.

Layout of a file:  Numba's bytes, SHA-256 of its purpose, SHA-256 of everything before.
"""

import contextlib
import functools
import glob
import hashlib
import inspect
import io
import shutil
import sys
import warnings
from pathlib import Path

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

SIZE = hashlib.sha256().digest_size


class Folder:
    """The folder for the code of this version of the source; created when the first kernel is kept.

    Parameters
    ----------
    path : the folder; those of other versions are its siblings
    pattern : the names of such folders
    kept : so many older ones are kept
    """

    def __init__(self, path, pattern, kept):
        self.path, self.pattern, self.kept = path, pattern, kept
        self.writable, self._said = True, set()

    def make(self):
        """Create it if necessary; then remove the oldest of the others."""
        if self.path.is_dir():
            return
        self.path.mkdir(parents=True, exist_ok=True)
        others = [path for path in self.path.parent.glob(self.pattern) if path != self.path]
        for path in sorted(others, key=_age)[: -self.kept]:
            shutil.rmtree(path, ignore_errors=True)

    def unreadable(self, error):
        """Warn, once."""
        self._warn("damaged files in", error, "what they held is compiled again")

    def unwritable(self, error):
        """Warn, once, and stop writing."""
        self.writable = False
        self._warn("cannot write to", error, "kernels are compiled again in every run")

    def _warn(self, what, error, result):
        if what not in self._said:
            self._said.add(what)
            error = getattr(error, "strerror", None) or str(error).partition("\n")[0][:100]
            text = f"{what} the cache of compiled code, {self.path} ({error}): {result}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)


class KernelCache(FunctionCache):
    """The compiled code of one kernel, in a Folder.

    Raises
    ------
    OSError
        If the kernel has no source file: it was typed into an interpreter.
    """

    def __init__(self, function, folder):
        self._impl_class = functools.partial(_Place, folder=folder)
        super().__init__(function)
        self.folder = folder
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = SealedFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig, target_context):
        """The code compiled for these types; None if it has to be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # pickle and LLVM may raise anything on such bytes
            self.folder.unreadable(error)
            return None

    def save_overload(self, sig, data):
        """Keep compiled code, if possible."""
        if self.folder.writable:
            try:
                super().save_overload(sig, data)
            except OSError as error:
                self.folder.unwritable(error)


class SealedFiles(IndexDataCacheFile):
    """The files of one kernel, one for each key: types, processor, hashes of the code."""

    def load(self, key):
        """The data saved for `key`; None if there is none, or the file is for something else.

        Raises
        ------
        Exception
            If the file cannot be read.
        """
        name = self._name(key)
        try:
            found = Path(self._data_path(name)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(found) < 2 * SIZE or hashlib.sha256(found[:-SIZE]).digest() != found[-SIZE:]:
            raise ValueError("wrong check sum")
        if found[-2 * SIZE : -SIZE] != self._purpose(key):
            return None
        return self._load_data(name)  # Numba reads it again, up to the checksums

    def save(self, key, data):
        """Write the file for `key`, completely or not at all."""
        name, self._end = self._name(key), self._purpose(key)
        if (path := Path(self._data_path(name))).is_dir():
            shutil.rmtree(path)
        self._save_data(name, data)

    def flush(self):
        """Remove all files of this kernel."""
        pattern = self._index_name.removesuffix(".nbi")
        for path in Path(self._cache_path).glob(glob.escape(pattern) + ".*.nbc"):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open_for_write(self, filepath):
        content = io.BytesIO()
        yield content
        content.write(self._end)
        content.write(hashlib.sha256(content.getbuffer()).digest())
        with super()._open_for_write(filepath) as file:
            file.write(content.getbuffer())

    def _name(self, key):
        return self._data_name(int(hashlib.sha256(repr(key).encode()).hexdigest()[:15], 16))

    def _purpose(self, key):
        return hashlib.sha256(repr((self._index_name, self._source_stamp, key)).encode()).digest()


class _Place(CompileResultCacheImpl):
    """How Numba serialises compiled code, and, as its locator, where the files are."""

    def __init__(self, function, folder):
        self._py_file, self._lineno = inspect.getfile(function), function.__code__.co_firstlineno
        self._folder = folder
        self._stamp, self._locator = _hash_of(self._py_file), self
        name = f"{Path(self._py_file).stem}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))

    def get_cache_path(self):
        parent = Path(self._py_file).resolve().parent
        return str(
            self._folder.path / f"{parent.name}_{hashlib.sha256(str(parent).encode()).hexdigest()[:16]}"
        )

    def get_source_stamp(self):
        return self._stamp

    def get_disambiguator(self):
        return str(self._lineno)

    def ensure_cache_path(self):
        self._folder.make()
        Path(self.get_cache_path()).mkdir(exist_ok=True)


@functools.cache
def _hash_of(file):
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _age(path):
    try:
        return path.stat().st_mtime
    except OSError:  # another process was faster
        return 0.0
