/* Threads and thread states that go separate ways, as programs in C make them: a state that the main thread made and
   another one runs, one that is exchanged for another in the middle of a call, one that is lent to another thread.

       swapped TRUTH.json

   The Python half is swapped_told.py. Says "ready" when all are at their places, then stays there. */

#include <Python.h>
#include <pthread.h>
#include <unistd.h>

static PyInterpreterState *interpreter;
static PyThreadState *lent;

static void run(const char *code)
{
    if (PyRun_SimpleString(code))
        _exit(1);
}

static void stay(void)
{
    for (;;)
        pause();
}

static void start(void *(*body)(void *), void *argument)
{
    pthread_t id;

    if (pthread_create(&id, NULL, body, argument))
        _exit(1);
}

static void *adopts(void *state)
{
    PyEval_RestoreThread(state);
    run("swapped_told.block('adopted')");
    return NULL;
}

static void *swaps(void *unused)
{
    PyGILState_Ensure();
    run("swapped_told.swap('swapped')");
    return NULL;
}

static PyObject *swap(PyObject *module, PyObject *arguments)
{
    PyThreadState_Swap(PyThreadState_New(interpreter));
    run("import swapped_told; swapped_told.block('inner')");
    return NULL;
}

static void *lends(void *unused)
{
    PyGILState_Ensure();
    run("swapped_told.lend('lender')");
    return NULL;
}

static void *borrows(void *unused)
{
    PyEval_RestoreThread(lent);
    run("swapped_told.block('borrower')");
    return NULL;
}

static PyObject *lend(PyObject *module, PyObject *arguments)
{
    lent = PyEval_SaveThread();
    start(borrows, NULL);
    stay();
    return NULL;
}

static PyMethodDef methods[] = {
    {"swap", swap, METH_NOARGS, NULL},
    {"lend", lend, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "swapped", NULL, -1, methods};

static PyObject *make_module(void)
{
    return PyModule_Create(&definition);
}

int main(int argc, char **argv)
{
    char code[4096];

    if (argc != 2)
        return 2;
    PyImport_AppendInittab("swapped", make_module);
    Py_Initialize();
#if PY_VERSION_HEX < 0x03070000
    PyEval_InitThreads();
#endif
    interpreter = PyThreadState_Get()->interp;
    run("import swapped_told");
    PyThreadState *given = PyThreadState_New(interpreter);
    PyThreadState *own = PyEval_SaveThread();
    start(adopts, given);
    start(swaps, NULL);
    start(lends, NULL);
    PyEval_RestoreThread(own);
    snprintf(code, sizeof code, "swapped_told.tell('%s')", argv[1]);
    run(code);
    PyEval_SaveThread();
    stay();
}
