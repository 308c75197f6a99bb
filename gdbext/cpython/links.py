"""How one object refers to another, as a person would write it: `.owner`, `['k']`, `[3]`, `.__closure__`.

What can't be written in Python comes after a space: ` set member`, ` field at 24`.
"""

from typing import Callable, Dict, Iterator, List, Optional, Tuple

from .heap_objects import HEAP_TYPE, HeapType
from .limits import Limits
from .objects import DICT_SUBCLASS, INLINE_VALUES, LIST_SUBCLASS, MANAGED_DICT, MAX_ITEMS, TUPLE_SUBCLASS, TYPE_SUBCLASS
from .reader import READ_ERRORS
from .referents import Referents
from .runtime import Runtime

_FIELD = " field at "
# Of a key in brackets.
_KEY_LIMITS = Limits(60, 4, 1, 100)
# Fields of one structure, slots of one class, that are looked through.
MAX_WORDS = 1 << 12

# By C name: the structure, and the fields with what they are called in Python.
_ATTRIBUTES: Dict[str, Tuple[str, Dict[str, str]]] = {
    "cell": ("PyCellObject", {"ob_ref": ".cell_contents"}),
    "method": ("PyMethodObject", {"im_func": ".__func__", "im_self": ".__self__"}),
    "function": ("PyFunctionObject", {
        "func_code": ".__code__", "func_globals": ".__globals__", "func_builtins": ".__builtins__",
        "func_name": ".__name__", "func_qualname": ".__qualname__", "func_defaults": ".__defaults__",
        "func_kwdefaults": ".__kwdefaults__", "func_closure": ".__closure__", "func_doc": ".__doc__",
        "func_dict": ".__dict__", "func_module": ".__module__", "func_annotations": ".__annotations__",
        "func_annotate": ".__annotate__", "func_typeparams": ".__type_params__"}),
    "builtin_function_or_method": ("PyCFunctionObject", {"m_self": ".__self__", "m_module": ".__module__"}),
    "staticmethod": ("staticmethod", {"sm_callable": ".__func__", "sm_dict": ".__dict__"}),
    "classmethod": ("classmethod", {"cm_callable": ".__func__", "cm_dict": ".__dict__"}),
    "property": ("propertyobject", {
        "prop_get": ".fget", "prop_set": ".fset", "prop_del": ".fdel", "prop_doc": ".__doc__",
        "prop_name": ".__name__"}),
    "super": ("superobject", {"type": ".__thisclass__", "obj": ".__self__", "obj_type": ".__self_class__"}),
    "module": ("PyModuleObject", {"md_dict": ".__dict__", "md_name": ".__name__"}),
    "traceback": ("PyTracebackObject", {"tb_next": ".tb_next", "tb_frame": ".tb_frame"}),
    "slice": ("PySliceObject", {"start": ".start", "stop": ".stop", "step": ".step"}),
    "functools.partial": ("partialobject", {
        "fn": ".func", "args": ".args", "kw": ".keywords", "dict": ".__dict__"}),
    "collections.defaultdict": ("defdictobject", {"default_factory": ".default_factory"}),
    "method-wrapper": ("wrapperobject", {"descr": " descriptor", "self": ".__self__"}),
    "memoryview": ("PyMemoryViewObject", {"mbuf": " buffer"}),
    "mappingproxy": ("mappingproxyobject", {"mapping": " mapping"}),
    "weakref": ("PyWeakReference", {"wr_callback": ".__callback__"}),
    "weakref.ReferenceType": ("PyWeakReference", {"wr_callback": ".__callback__"}),
    "code": ("PyCodeObject", {
        "co_consts": ".co_consts", "co_names": ".co_names", "co_filename": ".co_filename", "co_name": ".co_name",
        "co_qualname": ".co_qualname", "co_varnames": ".co_varnames", "co_freevars": ".co_freevars",
        "co_cellvars": ".co_cellvars", "co_linetable": ".co_linetable", "co_exceptiontable": ".co_exceptiontable",
        "co_localsplusnames": ".co_localsplusnames", "co_localspluskinds": ".co_localspluskinds",
        "co_code": ".co_code", "co_lnotab": ".co_lnotab"}),
    "BaseException": ("PyBaseExceptionObject", {
        "dict": ".__dict__", "args": ".args", "notes": ".__notes__", "traceback": ".__traceback__",
        "context": ".__context__", "cause": ".__cause__"}),
    "frame": ("PyFrameObject", {
        "f_back": ".f_back", "f_code": ".f_code", "f_builtins": ".f_builtins", "f_globals": ".f_globals",
        "f_locals": ".f_locals", "f_trace": ".f_trace"}),
    "generator": ("PyGenObject", {
        "gi_frame": ".gi_frame", "gi_code": ".gi_code", "gi_name": ".__name__", "gi_qualname": ".__qualname__"}),
    "coroutine": ("PyGenObject", {
        "gi_frame": ".cr_frame", "gi_code": ".cr_code", "gi_name": ".__name__", "gi_qualname": ".__qualname__",
        "gi_origin_or_finalizer": ".cr_origin"}),
    "async_generator": ("PyGenObject", {
        "gi_frame": ".ag_frame", "gi_code": ".ag_code", "gi_name": ".__name__", "gi_qualname": ".__qualname__"}),
    "StopIteration": ("PyStopIterationObject", {"value": ".value"}),
    "OSError": ("PyOSErrorObject", {
        "myerrno": ".errno", "strerror": ".strerror", "filename": ".filename", "filename2": ".filename2"}),
}
_TYPE_FIELDS = (("tp_dict", ".__dict__"), ("tp_mro", ".__mro__"), ("tp_bases", ".__bases__"), ("tp_base", ".__base__"),
                ("tp_cache", " tp_cache"))
_HEAP_TYPE_FIELDS = (("ht_module", ".__module__"), ("ht_name", ".__name__"), ("ht_qualname", ".__qualname__"),
                     ("ht_slots", ".__slots__"))


# Names the references of an object at an address, or those of them only that lead to another: (name, address).
_Maker = Callable[[int, Optional[int]], Iterator[Tuple[str, int]]]


class Links:
    """Names references. Nothing here raises for what can't be read: such a name is left out."""

    def __init__(self, runtime: Runtime, referents: Referents) -> None:
        self._runtime = runtime
        self._reader = runtime.reader
        self._layout = runtime.layout
        self._referents = referents
        self._windows = referents.windows
        self._makers: Dict[int, List[_Maker]] = {}

    def first(self, holder: int, held: int) -> Optional[str]:
        """How `holder` refers to `held`; None where it can't be told."""
        return next(self._matching(holder, held), None)

    def all(self, holder: int, held: int) -> List[str]:
        """Every way in which `holder` refers to `held`."""
        found = list(dict.fromkeys(self._matching(holder, held)))
        # A field that has a name needs no number.
        return [name for name in found if not name.startswith(_FIELD)] or found[:1]

    def of(self, holder: int, held: Optional[int] = None) -> Iterator[Tuple[str, int]]:
        """The references of an object, all or those to another, as (name, address).

        To name those that nobody asks for takes long: keys have to be printed.
        """
        try:
            type_ = self._referents.type_of(holder)
            makers = self._of_type(type_) if type_ is not None else []
        except READ_ERRORS:
            return
        for maker in makers:
            try:
                for name, pointer in maker(holder, held):
                    if pointer and held in (None, pointer):
                        yield name, pointer
            except READ_ERRORS:
                continue

    def _matching(self, holder: int, held: int) -> Iterator[str]:
        return (name for name, _pointer in self.of(holder, held))

    def name(self, address: int) -> str:
        """A str as it is, anything else as its repr."""
        try:
            return self._runtime.objects.text(address)
        except READ_ERRORS:
            return self._runtime.values.text(address, _KEY_LIMITS)

    def _repr(self, address: int) -> str:
        return self._runtime.values.text(address, _KEY_LIMITS)

    def _of_type(self, type_: HeapType) -> List[_Maker]:
        found = self._makers.get(type_.address)
        if found is None:
            found = self._makers[type_.address] = self._choose(type_)
        return found

    def _choose(self, type_: HeapType) -> List[_Maker]:
        flags = type_.flags
        names = self._referents.names(type_)
        makers: List[_Maker] = []
        if flags & DICT_SUBCLASS or "frozendict" in names:
            makers.append(self._items)
        elif flags & (LIST_SUBCLASS | TUPLE_SUBCLASS):
            makers.append(self._sequence)
        elif flags & TYPE_SUBCLASS:
            makers.append(self._type)
        elif "set" in names or "frozenset" in names:
            makers.append(lambda address, _held: self._unnamed(address, " member"))
        elif "collections.deque" in names:
            makers.append(self._sequence)
        makers += [self._fields(*_ATTRIBUTES[name]) for name in names if name in _ATTRIBUTES]
        if "frame" in names or "generator" in names or "coroutine" in names or "async_generator" in names:
            makers.append(lambda address, _held: self._unnamed(address, " local"))
        makers.append(lambda address, held: self._attributes(address, held, type_))
        makers.append(lambda _address, _held: iter([(".__class__", type_.address)]))
        makers.append(lambda address, held: self._words(address, held, type_))
        return makers

    def _fields(self, struct: str, names: Dict[str, str]) -> _Maker:
        found = self._layout.find(struct)
        offsets = [(text, found.offset(name)) for name, text in names.items() if name in found] if found else []

        def maker(address: int, _held: Optional[int]) -> Iterator[Tuple[str, int]]:
            for text, offset in offsets:
                yield text, self._windows.word(address + offset)
        return maker

    def _items(self, address: int, held: Optional[int]) -> Iterator[Tuple[str, int]]:
        for key, value in self._referents.pairs(address):
            if held in (None, value):
                yield f"[{self._repr(key)}]", value
            if held in (None, key):
                yield f" key {self._repr(key)}", key

    def _sequence(self, address: int, held: Optional[int]) -> Iterator[Tuple[str, int]]:
        kind = self._referents.type_of(address)
        if kind is not None and kind.flags & (LIST_SUBCLASS | TUPLE_SUBCLASS):
            flagged = kind.flags & LIST_SUBCLASS
            read = self._runtime.objects.list_items if flagged else self._runtime.objects.tuple_items
            items = read(address)
        else:
            own = kind.address if kind is not None and kind.flags & HEAP_TYPE else 0
            items = [each for each in self._referents.of(address) if each != own]
        for index, item in enumerate(items[:MAX_ITEMS]):
            if held is None or held == item:
                yield f"[{index}]", item

    def _unnamed(self, address: int, text: str) -> Iterator[Tuple[str, int]]:
        for held in self._referents.of(address):
            yield text, held

    def _type(self, address: int, _held: Optional[int]) -> Iterator[Tuple[str, int]]:
        for field, text in _TYPE_FIELDS:
            yield text, self._reader.pointer(address, "PyTypeObject", field)
        if self._reader.integer(address, "PyTypeObject", "tp_flags") & HEAP_TYPE:
            for field, text in _HEAP_TYPE_FIELDS:
                if self._reader.has("PyHeapTypeObject", field):
                    yield text, self._reader.pointer(address, "PyHeapTypeObject", field)

    def _attributes(self, address: int, wanted: Optional[int], type_: HeapType) -> Iterator[Tuple[str, int]]:
        """The dict itself where there is one, values that take its place by their names, and slots."""
        dicts, classes = self._runtime.dicts, self._runtime.values.classes
        here = self._runtime.objects.type_of(address)
        if not type_.flags & TYPE_SUBCLASS:
            for held in self._referents.of(address):
                if wanted not in (None, held):
                    continue
                held_type = self._referents.type_of(held)
                if held_type is not None and held_type.flags & DICT_SUBCLASS and self._is_dict_of(address, held, type_):
                    yield ".__dict__", held
        if type_.flags & (MANAGED_DICT | INLINE_VALUES):
            for key, value in dicts.attributes(address):
                if wanted in (None, value):
                    yield f".{self.name(key)}", value
        for slot in classes.slots(here):
            yield f".{slot.name}", self._windows.word(address + slot.offset)

    def _is_dict_of(self, address: int, held: int, type_: HeapType) -> bool:
        """Whether a dict is that of the instance's attributes."""
        if type_.flags & MANAGED_DICT:
            return any(self._windows.word(address + at) == held for at in (-24, -8))
        offset = self._reader.integer(type_.address, "PyTypeObject", "tp_dictoffset", signed=True)
        return offset < 0 or bool(offset) and self._windows.word(address + offset) == held

    def _words(self, address: int, held: Optional[int], type_: HeapType) -> Iterator[Tuple[str, int]]:
        """What has no name: which word of the structure it is."""
        count = min(type_.basic_size // 8, MAX_WORDS)
        for index, word in enumerate(self._windows.words(address, count)):
            if index > 1 and word and held in (None, word):
                yield f"{_FIELD} {8 * index} of {type_name(self._runtime, type_)}", word


def type_name(runtime: Runtime, type_: HeapType) -> str:
    """The full name of a type, "a type" where it can't be read."""
    try:
        classes = runtime.values.classes
        return classes.name(classes.type(type_.address)).full or "a type"
    except READ_ERRORS:
        return "a type"
