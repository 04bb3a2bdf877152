/* Which Python serves, and how: embedded in linnet-pyworker, or as the interpreter itself. */
#ifndef LINNET_ENGINE_PYTHON_FIND_H
#define LINNET_ENGINE_PYTHON_FIND_H

#include "base/arena.h"
#include "base/error.h"

struct python_host {
    const char *executable; /* sys.executable: the venv's bin/python3 */
    const char *version;    /* "3.11.7" */
    const char *library;    /* its libpython; "" where it has none */
    const char *worker;     /* the path of linnet-pyworker where it can embed this Python, else NULL */
    const char *why_not;    /* with worker NULL: why the interpreter is run instead */
};

/* Asks the interpreter `python` (a path, or a name on PATH), or where it is NULL that of $VIRTUAL_ENV, else
 * python3 on PATH; then looks for linnet-pyworker beside this executable and on PATH. Strings live in
 * `arena`. False: ERR_NOT_FOUND (no such interpreter), ERR_WORKER (it cannot run, or is older than 3.10),
 * ERR_NO_MEMORY. */
bool python_find(const char *python, struct arena *arena, struct python_host *out, struct error *err);

#endif
