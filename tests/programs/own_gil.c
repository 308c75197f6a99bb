/* Sub-interpreters with a GIL of their own, made from C, each on a thread of its own (3.12 and newer).

       own_gil TRUTH.json

   Two are made by the thread that runs them, one by the main thread for a thread that comes with a thread
   state of its own. Two of the three compute, so that two GILs are held at once. The Python half is
   own_gil_told.py. Says "ready" when all are at their places, then stays there. */

#define _GNU_SOURCE
#include <Python.h>
#include <pthread.h>

static PyInterpreterState *made_by_main;
static const char *truth;

static void run(const char *function, const char *key, int64_t interpreter)
{
    char code[4096];

    snprintf(code, sizeof code, "import own_gil_told; own_gil_told.%s('%s', '%s', %lld)",
             function, truth, key, (long long)interpreter);
    if (PyRun_SimpleString(code))
        _exit(1);
}

static PyThreadState *new_interpreter(void)
{
    PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyThreadState *state = NULL;
    PyStatus status = Py_NewInterpreterFromConfig(&state, &config);

    if (PyStatus_Exception(status)) {
        fprintf(stderr, "%s\n", status.err_msg);
        _exit(1);
    }
    return state;
}

static void *makes_its_own(void *key)
{
    /* The state in the main interpreter stays, without frames, as long as the other one is in use. */
    PyGILState_Ensure();
    PyThreadState *state = new_interpreter();
    const char *function = !strcmp(key, "busy-own") ? "compute" : "block";
    run(function, key, PyInterpreterState_GetID(PyThreadState_GetInterpreter(state)));
    return NULL;
}

static void *uses_one(void *key)
{
    PyThreadState *state = PyThreadState_New(made_by_main);
    PyEval_RestoreThread(state);
    run("compute", key, PyInterpreterState_GetID(made_by_main));
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc != 2)
        return 2;
    truth = argv[1];
    Py_Initialize();
    PyThreadState *main_state = PyThreadState_Get();
    PyThreadState *other = new_interpreter();
    made_by_main = PyThreadState_GetInterpreter(other);
    PyThreadState_Swap(main_state);
    PyEval_SaveThread();
    if (pthread_create(&thread, NULL, makes_its_own, "waits-own")
        || pthread_create(&thread, NULL, makes_its_own, "busy-own")
        || pthread_create(&thread, NULL, uses_one, "busy-given"))
        return 1;
    PyEval_RestoreThread(main_state);
    run("tell", "main", 0);
    return 0;
}
