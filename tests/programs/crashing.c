/* An extension module of the tests, built without Python's headers so that any interpreter can be tested:
   HEAD is sizeof(PyObject), and FREE_THREADED is defined for those builds. Its functions end the process in one
   way each. */

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <string.h>

#define METH_NOARGS 4

typedef void object;
typedef object *(*function)(object *, object *);

/* PyMethodDef and PyModuleDef (Include/methodobject.h, Include/moduleobject.h). */
struct method {
    const char *name;
    function call;
    int flags;
    const char *doc;
};

struct module {
    _Alignas(8) char head[HEAD];
    void *init;
    ptrdiff_t index;
    object *copy;
    const char *name;
    const char *doc;
    ptrdiff_t size;
    struct method *methods;
    void *slots;
    void *traverse;
    void *clear;
    void *free;
};

/* PyObject_HEAD_INIT of free-threaded builds (Include/object.h), whose flags 3.15 looks at: allocated statically, and
   immortal. */
#ifdef FREE_THREADED
#define HEAD_INIT {[8] = 4, [12] = '\xff', '\xff', '\xff', '\xff'}
#else
#define HEAD_INIT {0}
#endif

extern object *PyModule_Create2(struct module *, int);
extern void PyErr_SetString(object *, const char *);
extern void *PyEval_SaveThread(void);
extern object *PyExc_ValueError;

static volatile int *volatile nowhere;

static object *fail_assertion(object *self, object *ignored)
{
    assert(self == ignored);
    return self;
}

static object *fault_while_raising(object *self, object *ignored)
{
    PyErr_SetString(PyExc_ValueError, "about to fault");
    *nowhere = 1;
    return NULL;
}

static object *fault_without_gil(object *self, object *ignored)
{
    PyEval_SaveThread();
    *nowhere = 1;
    return NULL;
}

static int deeper(volatile char *outer)
{
    volatile char inner[4096];
    inner[0] = outer[0];
    return deeper(inner) + inner[0];
}

static object *overflow(object *self, object *ignored)
{
    volatile char start = 1;
    return deeper(&start) ? NULL : self;
}

static struct method methods[] = {
    {"fail_assertion", fail_assertion, METH_NOARGS, NULL},
    {"fault_while_raising", fault_while_raising, METH_NOARGS, NULL},
    {"fault_without_gil", fault_without_gil, METH_NOARGS, NULL},
    {"overflow", overflow, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct module definition = {.head = HEAD_INIT, .name = "crashing", .size = -1, .methods = methods};

object *PyInit_crashing(void)
{
    return PyModule_Create2(&definition, 1013);
}
