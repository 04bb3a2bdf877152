/* The BertPreTokenizer: words of normalized text. White space separates words and is dropped; each
 * punctuation character is a word. */
#ifndef LINNET_TEXT_PRETOKENIZER_H
#define LINNET_TEXT_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the next word in [*at, end): true and the word in [*word, *at), or false where none is left. */
bool pretokenizer_next(const char **at, const char *end, const char **word);

#endif
