/* What `linnet verify` and `linnet quantize` say of a model's parity. */
#ifndef LINNET_CLI_PARITY_REPORT_H
#define LINNET_CLI_PARITY_REPORT_H

#include "base/buf.h"
#include "engine/parity.h"

/* Lines for people. `source`: the file that the texts' numbers are lines of. */
void parity_put_text(struct buf *out, const struct parity *parity, const char *source);

/* One JSON object and a newline. `failure` is what parity_check() says, or NULL where all bounds are kept. */
void parity_put_json(struct buf *out, const struct parity *parity, const char *source, const char *failure);

#endif
