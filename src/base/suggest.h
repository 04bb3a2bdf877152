/* The nearest known word to a mistyped one. Any thread. */
#ifndef LINNET_BASE_SUGGEST_H
#define LINNET_BASE_SUGGEST_H

#include <stddef.h>

/* The candidate with the smallest edit distance (Levenshtein) to `word`, where that is at most a third of the
 * longer one's length, rounded up; else NULL. The first of equals. Only the first 63 bytes of each are
 * compared. */
const char *suggest_nearest(const char *word, const char *const candidates[], size_t count);

#endif
