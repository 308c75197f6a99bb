"""What `(gdb) source gdbext/init.py` runs: makes the package known to gdb's Python, registers the commands.

Readable by any Python that a gdb may have, so that an old one gets a message and not a syntax error.
"""

import os
import sys


def _load(file):
    if sys.version_info < (3, 9):
        return "its Python is %d.%d, and gdbext needs 3.9 or newer" % sys.version_info[:2]
    package = os.path.dirname(os.path.realpath(file))
    loaded = sys.modules.get("gdbext")
    if loaded is not None and os.path.dirname(os.path.realpath(loaded.__file__)) != package:
        # Another copy was sourced before; the one that was asked for last is the one to run.
        for name in [name for name in sys.modules if name.partition(".")[0] == "gdbext"]:
            del sys.modules[name]
    _leave_current_directory()
    try:
        if "gdbext" not in sys.modules:
            _import(package)
        from gdbext.commands import installation, register
    except (ImportError, OSError) as error:
        return "%s; the installation in %s is not complete" % (error, package)
    warning = installation.open_to_others(package)
    if warning is not None:
        sys.stderr.write("warning: gdbext: %s.\n" % warning)
    register.register()
    return None


def _import(package):
    """Import gdbext from its folder; what else lies beside it, as in a virtual environment, is not for gdb's Python."""
    from importlib import util

    spec = util.spec_from_file_location(
        "gdbext", os.path.join(package, "__init__.py"), submodule_search_locations=[package])
    module = util.module_from_spec(spec)
    sys.modules["gdbext"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules["gdbext"]
        raise


def _leave_current_directory():
    # PYTHONPATH=$PYTHONPATH:/more, where it was not set before, names the current directory.
    relative = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if not os.path.isabs(path)]
    named = set(map(os.path.abspath, relative)) if "PYTHONPATH" in os.environ else set()
    sys.path[:] = [path for path in sys.path if os.path.isabs(path) and path not in named]


# Not __file__: sourced by another Python script, that is the other's name (PyRun_SimpleFile() sets it once).
_problem = _load(_load.__code__.co_filename)
if _problem:
    sys.stderr.write("gdbext is not loaded: %s.\n" % _problem)
