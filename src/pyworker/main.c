/* linnet-pyworker: CPython by its C API, in a process of its own, running the worker script's main(socket).
 *
 *   linnet-pyworker LIBPYTHON PYTHON SCRIPT SOCKET
 *   linnet-pyworker --python-version
 *
 * LIBPYTHON is the shared library of the interpreter PYTHON (a venv's bin/python3), of the minor version that
 * --python-version prints: PyConfig's layout belongs to it. The library is opened with global symbols, which
 * extension modules expect, and never finalized, which torch does not survive. linnet starts this program
 * with all signals blocked. What goes wrong before the script can speak for itself is sent as a FRAME_FAILED.
 */
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/frame.h"
#include "base/json.h"

/* What is used of libpython, by name. */
#define PYTHON_SYMBOLS(X)             \
    X(PyPreConfig_InitIsolatedConfig) \
    X(Py_PreInitialize)               \
    X(PyConfig_InitIsolatedConfig)    \
    X(PyConfig_SetBytesString)        \
    X(Py_InitializeFromConfig)        \
    X(PyStatus_Exception)             \
    X(Py_CompileStringExFlags)        \
    X(PyImport_ExecCodeModule)        \
    X(PyObject_CallMethod)            \
    X(PyErr_Print)

static struct {
#define X(name) __typeof__(&name) name;
    PYTHON_SYMBOLS(X)
#undef X
} python;

static bool load_python(const char *path, struct error *err)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        return error_set(err, ERR_WORKER, "loading libpython: %.400s", dlerror());
#define X(name)                                       \
    *(void **)(&python.name) = dlsym(library, #name); \
    if (!python.name)                                 \
        return error_set(err, ERR_WORKER, "%.300s has no %s", path, #name);
    PYTHON_SYMBOLS(X)
#undef X
    return true;
}

static bool check_status(PyStatus status, const char *what, struct error *err)
{
    if (!python.PyStatus_Exception(status))
        return true;
    return error_set(err, ERR_WORKER, "%s failed: %.300s", what,
                     status.err_msg ? status.err_msg : "no reason");
}

/* Isolated: neither PYTHON* variables nor the user's site-packages, no signal handlers. The program's name is
 * how Python finds pyvenv.cfg and with it the venv's packages. */
static bool start_python(const char *program, struct error *err)
{
    PyPreConfig before;
    PyConfig config;
    python.PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    if (!check_status(python.Py_PreInitialize(&before), "preparing Python", err))
        return false;
    python.PyConfig_InitIsolatedConfig(&config);
    return check_status(python.PyConfig_SetBytesString(&config, &config.program_name, program),
                        "naming the program", err) &&
           check_status(python.Py_InitializeFromConfig(&config), "starting Python", err);
}

static bool run_script(const char *path, int socket, struct error *err)
{
    struct blob source;
    if (!file_map(path, &source, err))
        return false;
    /* A compiler wants a NUL behind the text, which a mapped file need not have. */
    char *text = strndup((const char *)source.bytes, source.size);
    file_unmap(&source);
    if (!text)
        return error_set(err, ERR_NO_MEMORY, "no memory for the worker script");
    PyObject *code = python.Py_CompileStringExFlags(text, "linnet_worker.py", Py_file_input, NULL, -1);
    free(text);
    char name[] = "linnet_worker";
    PyObject *module = code ? python.PyImport_ExecCodeModule(name, code) : NULL;
    if (module && python.PyObject_CallMethod(module, "main", "i", socket))
        return true;
    python.PyErr_Print();
    return error_set(err, ERR_WORKER, "the worker script failed, its traceback is in the log");
}

static void send_failure(int socket, const struct error *failure)
{
    struct buf payload;
    struct error err;
    buf_init(&payload);
    buf_puts(&payload, "{\"message\":");
    json_put_string(&payload, failure->message, strlen(failure->message));
    buf_putc(&payload, '}');
    if (!buf_ok(&payload) || !frame_write(socket, FRAME_FAILED, payload.bytes, payload.length, 0, &err))
        fprintf(stderr, "linnet-pyworker: %s\n", failure->message);
    buf_free(&payload);
}

int main(int argc, char **argv)
{
    struct error err;
    if (argc == 2 && strcmp(argv[1], "--python-version") == 0) {
        printf("%d.%d\n", PY_MAJOR_VERSION, PY_MINOR_VERSION);
        return 0;
    }
    if (argc != 5) {
        fprintf(stderr, "linnet-pyworker is started by linnet serve --engine python, not by hand\n");
        return 2;
    }
    int socket = atoi(argv[4]);
    if (load_python(argv[1], &err) && start_python(argv[2], &err) && run_script(argv[3], socket, &err))
        _exit(0);
    send_failure(socket, &err);
    _exit(1);
}
