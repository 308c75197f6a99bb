/* A program that has libpython in it, in a phase of its life.

       embed before LIBPYTHON                 before Py_Initialize
       embed after LIBPYTHON                  after Py_Finalize
       embed run LIBPYTHON CODE [OTHER...]    running CODE; the other libraries are loaded first

   libpython is loaded by path under whatever name it has. With -DLINKED it is linked instead
   (statically too) and LIBPYTHON is ignored. Says "ready" when it is there, then waits for ever;
   CODE has to do both itself. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef LINKED
void Py_Initialize(void);
void Py_Finalize(void);
int PyRun_SimpleStringFlags(const char *code, void *flags);
#endif

static void *load(const char *path, int how)
{
    void *library = dlopen(path, how);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return library;
}

static void wait_for_ever(void)
{
    if (write(1, "ready\n", 6) != 6)
        exit(1);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    void (*initialize)(void), (*finalize)(void);
    int (*run)(const char *, void *);

    if (argc < 3) {
        fprintf(stderr, "usage: embed before|after|run LIBPYTHON [CODE [OTHER...]]\n");
        return 2;
    }
    for (int i = 4; i < argc; i++)
        load(argv[i], RTLD_NOW | RTLD_LOCAL);
#ifdef LINKED
    initialize = Py_Initialize;
    finalize = Py_Finalize;
    run = PyRun_SimpleStringFlags;
#else
    /* Global, for the extension modules take their symbols from it. */
    void *library = load(argv[2], RTLD_NOW | RTLD_GLOBAL);
    initialize = (void (*)(void))dlsym(library, "Py_Initialize");
    finalize = (void (*)(void))dlsym(library, "Py_Finalize");
    run = (int (*)(const char *, void *))dlsym(library, "PyRun_SimpleStringFlags");
#endif
    if (!strcmp(argv[1], "before"))
        wait_for_ever();
    initialize();
    if (!strcmp(argv[1], "after")) {
        finalize();
        wait_for_ever();
    }
    return argc < 4 || run(argv[3], NULL);
}
