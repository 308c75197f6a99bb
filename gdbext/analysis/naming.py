"""How a program names an object: by the variables, attributes and items that lead to it from a frame."""

from typing import Callable, Container, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..cpython.classes import Classes
from ..cpython.frames import Frame
from ..cpython.objects import DICT_SUBCLASS, HEAP_TYPE, LIST_SUBCLASS, TUPLE_SUBCLASS, TYPE_SUBCLASS
from ..cpython.reader import READ_ERRORS
from ..cpython.runtime import Runtime
from ..cpython.values.numbers import decimal

# What is looked at of one container, and from one frame: a name that is not found there is none that a
# person would think of.
MAX_ITEMS = 1000
MAX_OBJECTS = 5000
# self.pool.lock: an attribute of an attribute of a variable.
MAX_DEPTH = 3
# Of an int that is a key.
_MAX_KEY_DIGITS = 40


class Name(NamedTuple):
    """A way to an object: `path` as the program would write it, `owner` whose attribute it is at last.

    `address` is that of the object.
    """

    path: str
    owner: Optional[int]
    address: int


Step = Tuple[str, int]


class Names:
    """Finds names in the frames of one runtime. Never raises READ_ERRORS."""

    def __init__(self, runtime: Runtime, classes: Classes, module_of: Callable[[Frame], Optional[str]]) -> None:
        self._runtime = runtime
        self._classes = classes
        self._module_of = module_of
        self._steps: Dict[int, List[Step]] = {}
        self._used_names: Dict[int, FrozenSet[str]] = {}
        self._namespaces: Dict[int, List[Step]] = {}

    def find(self, frame: Frame, wanted: Container[int]) -> Optional[Name]:
        """The shortest name of one of the wanted objects in a frame, None where it has none.

        Variables come before attributes, and these before items of containers and what lies deeper.
        """
        names = self._names_in(frame)
        level = []
        for path, address in self._variables(frame, names):
            level.append(Name(path, None, address))
            if address in wanted:
                return level[-1]
        seen = set()
        looked_at = 0
        for depth in range(1, MAX_DEPTH):
            following = []
            for name in level:
                if name.address in seen or looked_at > MAX_OBJECTS:
                    continue
                seen.add(name.address)
                steps = self._steps_from(name.address, names)
                for step, address in steps:
                    if address in wanted:
                        return Name(name.path + step, name.address, address)
                looked_at += len(steps)
                if depth < MAX_DEPTH - 1:
                    following += [Name(name.path + step, name.address, address) for step, address in steps]
            level = following
        return None

    def reachable(self, frame: Frame, wanted: Container[int]) -> List[int]:
        """Which of the wanted objects a frame names at all."""
        found: List[int] = []
        remaining = _Rest(wanted)
        while True:
            name = self.find(frame, remaining)
            if name is None:
                return found
            found.append(name.address)
            remaining.taken.add(name.address)

    def text(self, name: Name) -> str:
        """ "self.mutex of <ReadersWriters at 0x...>", "module.lock", "first_lock". """
        if name.owner is None or not self._is_instance(name.owner):
            return name.path
        return f"{name.path} of {self.instance(name.owner)}"

    def instance(self, address: int) -> str:
        """An object by its type and address, as object.__repr__() has it without the module."""
        return f"<{self.type_name(address)} at {address:#x}>"

    def type_name(self, address: int) -> str:
        """The name of an object's type without its module, "object" where that can't be read."""
        try:
            return self._runtime.objects.type_of(address).name.rpartition(".")[2] or "object"
        except READ_ERRORS:
            return "object"

    def _is_instance(self, address: int) -> bool:
        """Whether an object is more to a reader than its path: no module, class, method or container."""
        try:
            type_ = self._runtime.objects.type_of(address)
        except READ_ERRORS:
            return False
        return type_.name not in ("module", "method", "builtin_function_or_method") and not type_.flags & (
            TYPE_SUBCLASS | DICT_SUBCLASS | LIST_SUBCLASS | TUPLE_SUBCLASS)

    def _variables(self, frame: Frame, names: Container[str]) -> Iterator[Step]:
        """The variables of a frame, then the globals that its code names."""
        runtime = self._runtime
        try:
            for variable in runtime.variables.of(frame):
                yield variable.name, variable.address
        except READ_ERRORS:
            pass
        module = self._module_of(frame)
        try:
            for name, address in self._among(runtime.variables.globals(frame), names):
                # A module is known by its own name, whoever imports it.
                plain = not module or runtime.objects.type_of(address).name == "module"
                yield (name if plain else f"{module}.{name}"), address
        except READ_ERRORS:
            return

    def _names_in(self, frame: Frame) -> Container[str]:
        """co_names: the global names and attributes that code uses."""
        if frame.code is None:
            return ()
        code = frame.code.address
        found = self._used_names.get(code)
        if found is None:
            objects = self._runtime.objects
            try:
                names = objects.tuple_items(self._runtime.reader.pointer(code, "PyCodeObject", "co_names"))
                found = frozenset(objects.text(name) for name in names)
            except READ_ERRORS:
                found = frozenset()
            self._used_names[code] = found
        return found

    def uses(self, frame: Frame, name: str) -> bool:
        """Whether the code of a frame uses this as a global name or an attribute."""
        return name in self._names_in(frame)

    def _among(self, namespace: int, names: Container[str]) -> Iterator[Step]:
        """Those of the names that are in the namespace, of which every one is read once. Raises READ_ERRORS."""
        known = self._namespaces.get(namespace)
        if known is None:
            known = self._namespaces[namespace] = list(self._texts(namespace))
        return ((name, address) for name, address in known if name in names)

    def _steps_from(self, address: int, names: Container[str]) -> Sequence[Step]:
        """What an object leads to: attributes, or the items of a container. Of a module, only what code names."""
        try:
            if self._runtime.objects.type_of(address).name == "module":
                namespace = self._runtime.reader.pointer(address, "PyModuleObject", "md_dict")
                return [("." + name, value) for name, value in self._among(namespace, names)]
        except READ_ERRORS:
            return ()
        found = self._steps.get(address)
        if found is None:
            found = self._steps[address] = []
            try:
                for step in self._read_steps(address):
                    found.append(step)
                    if len(found) >= MAX_ITEMS:
                        break
            except READ_ERRORS:
                pass
        return found

    def _read_steps(self, address: int) -> Iterator[Step]:
        runtime = self._runtime
        objects = runtime.objects
        type_ = objects.type_of(address)
        if type_.flags & DICT_SUBCLASS:
            for key, value in runtime.dicts.items(address):
                yield f"[{self._key(key)}]", value
        elif type_.flags & (LIST_SUBCLASS | TUPLE_SUBCLASS):
            items = objects.list_items if type_.flags & LIST_SUBCLASS else objects.tuple_items
            for index, value in enumerate(items(address)):
                yield f"[{index}]", value
        elif type_.flags & TYPE_SUBCLASS:
            yield from self._class_attributes(address)
        elif type_.name == "builtin_function_or_method":
            yield ".__self__", runtime.reader.pointer(address, "PyCFunctionObject", "m_self")
        elif type_.name == "method":
            yield ".__self__", runtime.reader.pointer(address, "PyMethodObject", "im_self")
        elif type_.flags & HEAP_TYPE:
            for name, value in runtime.dicts.attributes(address):
                yield "." + objects.text(name), value
            for slot in self._classes.slots(type_):
                value = runtime.memory.u64(address + slot.offset)
                if value:
                    yield "." + slot.name, value
            for base in self._classes.order(type_):
                if base.flags & HEAP_TYPE:
                    yield from self._steps_from(base.address, ())

    def _class_attributes(self, address: int) -> Iterator[Step]:
        namespace = self._runtime.reader.pointer(address, "PyTypeObject", "tp_dict")
        for name, value in self._texts(namespace) if namespace else ():
            yield "." + name, value

    def _texts(self, namespace: int) -> Iterator[Step]:
        for key, value in self._runtime.dicts.items(namespace):
            try:
                yield self._runtime.objects.text(key), value
            except READ_ERRORS:
                continue

    def _key(self, key: int) -> str:
        objects = self._runtime.objects
        try:
            return repr(objects.text(key))
        except READ_ERRORS:
            pass
        try:
            return decimal(objects.integer(key), _MAX_KEY_DIGITS)
        except READ_ERRORS:
            return "..."


class _Rest:
    """Some objects without those that have been taken."""

    def __init__(self, objects: Container[int]) -> None:
        self._objects = objects
        self.taken: set = set()

    def __contains__(self, address: object) -> bool:
        return address in self._objects and address not in self.taken

