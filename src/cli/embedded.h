/* The model and the script that are linked into the executable. */
#ifndef LINNET_CLI_EMBEDDED_H
#define LINNET_CLI_EMBEDDED_H

#include "model/files.h"

/* Views of the executable's own bytes: nothing is read, nothing needs closing, but model_files_close() is
 * harmless. */
void embedded_model(struct model_files *out);

struct blob embedded_worker_script(void); /* python/linnet_worker.py */

#endif
