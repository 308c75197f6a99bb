/* A program whose threads are made in C, and use Python by PyGILState: some have Python frames, some have
   a thread state and no frames, some have left Python again, one holds the GIL without running Python.

       gilstate TRUTH.json

   The Python half is gilstate_told.py. Says "ready" when all are at their places, then stays there. */

#define _GNU_SOURCE
#include <Python.h>
#include <pthread.h>
#include <sys/syscall.h>

#define FRAMES 3

enum kind { WITH_FRAMES, NESTED, RELEASED_GIL, LEFT, NEVER, HOLDER, WAITER, KINDS };
static const char *names[] = {"with-frames", "nested", "released-gil", "left", "never", "holder", "waiter"};

static struct thread {
    enum kind kind;
    char key[32];
    int lwp;
} threads[KINDS + FRAMES];
static int count;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int settled;

static void say_settled(void)
{
    pthread_mutex_lock(&mutex);
    settled++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_until_settled(int wanted)
{
    pthread_mutex_lock(&mutex);
    while (settled < wanted)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void stay(void)
{
    for (;;)
        pause();
}

static void run(const char *function, const char *key)
{
    char code[128];

    snprintf(code, sizeof code, "import gilstate_told; gilstate_told.%s('%s')", function, key);
    if (PyRun_SimpleString(code))
        _exit(1);
}

static void *body(void *argument)
{
    struct thread *thread = argument;

    thread->lwp = (int)syscall(SYS_gettid);
    switch (thread->kind) {
    case WITH_FRAMES:
        PyGILState_Ensure();
        say_settled();
        run("block", thread->key);
        break;
    case NESTED: {
        /* Ensures within its own state, as a callback of a library does. */
        PyGILState_STATE outer = PyGILState_Ensure(), inner;
        PyThreadState *saved = PyEval_SaveThread();
        inner = PyGILState_Ensure();
        say_settled();
        run("block", thread->key);
        PyGILState_Release(inner);
        PyEval_RestoreThread(saved);
        PyGILState_Release(outer);
        break;
    }
    case RELEASED_GIL:
        PyGILState_Ensure();
        run("pass_by", thread->key);
        PyEval_SaveThread();
        say_settled();
        stay();
        break;
    case LEFT: {
        PyGILState_STATE state = PyGILState_Ensure();
        run("pass_by", thread->key);
        PyGILState_Release(state);
        say_settled();
        stay();
        break;
    }
    case NEVER:
        say_settled();
        stay();
        break;
    case HOLDER:
        PyGILState_Ensure();
        say_settled();
        stay();
        break;
    case WAITER:
        say_settled();
        PyGILState_Ensure();
        break;
    default:
        break;
    }
    return NULL;
}

static void start(enum kind kind, int number)
{
    struct thread *thread = &threads[count++];
    pthread_t id;

    thread->kind = kind;
    snprintf(thread->key, sizeof thread->key, number ? "%s-%d" : "%s", names[kind], number);
    if (pthread_create(&id, NULL, body, thread))
        _exit(1);
}

/* Called by the main thread from within Python, when what has frames is at its place: the last two. */
static PyObject *take_gil(PyObject *module, PyObject *arguments)
{
    int before = settled;

    Py_BEGIN_ALLOW_THREADS
    start(HOLDER, 0);
    wait_until_settled(before + 1);
    start(WAITER, 0);
    wait_until_settled(before + 2);
    if (write(1, "ready\n", 6) != 6)
        _exit(1);
    stay();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* LWPs by key of all threads that C has started. */
static PyObject *started(PyObject *module, PyObject *arguments)
{
    PyObject *found = PyDict_New();

    for (int i = 0; i < count; i++) {
        PyObject *lwp = PyLong_FromLong(threads[i].lwp);
        PyDict_SetItemString(found, threads[i].key, lwp);
        Py_DECREF(lwp);
    }
    return found;
}

static PyMethodDef methods[] = {
    {"take_gil", take_gil, METH_NOARGS, NULL},
    {"started", started, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "gilstate", NULL, -1, methods};

static PyObject *make_module(void)
{
    return PyModule_Create(&definition);
}

int main(int argc, char **argv)
{
    char code[4096];

    if (argc != 2)
        return 2;
    PyImport_AppendInittab("gilstate", make_module);
    Py_Initialize();
#if PY_VERSION_HEX < 0x03070000
    PyEval_InitThreads();
#endif
    PyThreadState *saved = PyEval_SaveThread();
    for (int i = 1; i <= FRAMES; i++)
        start(WITH_FRAMES, i);
    for (enum kind kind = NESTED; kind <= NEVER; kind++)
        start(kind, 0);
    wait_until_settled(count);
    PyEval_RestoreThread(saved);
    snprintf(code, sizeof code, "import gilstate_told; gilstate_told.tell('%s')", argv[1]);
    return PyRun_SimpleString(code);
}
