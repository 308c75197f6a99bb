/* An extension module that calls Python code from C functions of its own. */

#include <Python.h>

__attribute__((noinline)) PyObject *nativeext_helper(PyObject *function)
{
    PyObject *result = PyObject_CallFunction(function, NULL);
    /* Keeps this from being a jump, which leaves no frame. */
    __asm__ volatile("" : : "r"(result));
    return result;
}

static PyObject *call(PyObject *self, PyObject *function)
{
    PyObject *result = nativeext_helper(function);
    __asm__ volatile("" : : "r"(result));
    return result;
}

static PyMethodDef methods[] = {
    {"call", call, METH_O, NULL},
    {NULL, NULL, 0, NULL}
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "nativeext", NULL, -1, methods, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit_nativeext(void)
{
    return PyModule_Create(&module);
}
