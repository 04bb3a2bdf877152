/* sentencepiece's precompiled_charsmap: replacements looked up in a double array (darts-clone).
 *
 * As the package's Precompiled normalizer: a grapheme cluster of less than 6 bytes is replaced by what its
 * shortest prefix in the map stands for, whatever follows that prefix in the cluster; other characters are
 * looked up one by one. Built once, then read by any number of threads.
 */
#ifndef LINNET_TEXT_CHARSMAP_H
#define LINNET_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "text/text_buffer.h"

struct charsmap {
    const uint32_t *units; /* [unit_count] */
    size_t unit_count;
    const char *texts; /* [texts_length]: NUL-terminated replacements; the units have offsets into it */
    size_t texts_length;
    bool plain[128]; /* bytes that stay as they are where no character from 0x80 on follows */
};

/* Reads the map from base64; the result lives in `arena`. On failure false: ERR_BAD_MODEL or ERR_NO_MEMORY.
 */
bool charsmap_read(struct charsmap *map, const char *base64, size_t length, struct arena *arena,
                   struct error *err);

/* The parts of charsmap_apply(): the replacement of the shortest prefix of text[0..length) that the map has;
 * the same of a whole cluster where it is short enough to be looked up as one; and where the cluster that
 * begins at `at`, before `end`, ends. False: none. A replacement lives as long as the map. */
bool charsmap_find(const struct charsmap *map, const char *text, size_t length, const char **found);
bool charsmap_find_cluster(const struct charsmap *map, const char *at, const char *stop, const char **found);
const char *charsmap_cluster_end(const char *at, const char *end);

/* Appends the mapped text[0..length) to `out`. False: no memory. */
bool charsmap_apply(const struct charsmap *map, const char *text, size_t length, struct text_buffer *out);

#endif
