/* The model, the script and the page that are linked into the executable. */
#ifndef LINNET_CLI_EMBEDDED_H
#define LINNET_CLI_EMBEDDED_H

#include "api/api.h"
#include "model/files.h"

/* Views of the executable's own bytes: nothing is read, nothing needs closing, but model_files_close() is
 * harmless. */
void embedded_model(struct model_files *out);

struct blob embedded_worker_script(void); /* python/linnet_worker.py */

/* The files of web/. */
const struct api_asset *embedded_assets(size_t *count);

#endif
