/* An extension module that loses one reference in a thousand calls, and some code that loses none. */

#include <Python.h>
#include <stdlib.h>

static long calls;

/* lose(object): takes a reference that nothing gives back, at one of a thousand calls; whether it did. */
static PyObject *lose(PyObject *self, PyObject *object)
{
    int loses = ++calls % 1000 == 0;
    if (loses)
        Py_INCREF(object);
    return PyBool_FromLong(loses);
}

/* A type without a part for the collector: only its own C code knows that it holds an object. */
typedef struct {
    PyObject_HEAD
    double weight;
    PyObject *held;
} Holder;

static void holder_dealloc(PyObject *self)
{
    Py_XDECREF(((Holder *)self)->held);
    PyObject_Del(self);
}

static PyTypeObject holder_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "losing.Holder", .tp_basicsize = sizeof(Holder), .tp_dealloc = holder_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

static PyObject *hold(PyObject *self, PyObject *object)
{
    Holder *holder = PyObject_New(Holder, &holder_type);
    if (holder == NULL)
        return NULL;
    Py_INCREF(object);
    holder->held = object;
    return (PyObject *)holder;
}

/* keep(object): in memory of malloc's own, which no object leads to. */
static PyObject **kept;
static size_t used, room;

static PyObject *keep(PyObject *self, PyObject *object)
{
    if (used == room) {
        room = room ? 2 * room : 16;
        kept = realloc(kept, room * sizeof *kept);
    }
    Py_INCREF(object);
    kept[used++] = object;
    Py_RETURN_NONE;
}

/* resemble(type): structures in which the address of a type lies where an object has its own, as what is left
   of an object does in a block that is used again. */
static PyObject *resemble(PyObject *self, PyObject *type)
{
    void **structures[] = {malloc(64), PyMem_Malloc(64)};
    for (int index = 0; index < 2; index++) {
        void **words = structures[index];
        words[0] = words[1] = words + 4;
        words[2] = words[4] = (void *)0x6800043;
        words[3] = words[5] = type;
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resemble", resemble, METH_O, NULL},
    {"lose", lose, METH_O, NULL},
    {"hold", hold, METH_O, NULL},
    {"keep", keep, METH_O, NULL},
    {NULL, NULL, 0, NULL}
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "losing", NULL, -1, methods, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit_losing(void)
{
    if (PyType_Ready(&holder_type) < 0)
        return NULL;
    return PyModule_Create(&module);
}
