/* Pre-tokenizers: normalized text to the words that the model encodes one by one.
 *
 * A pre-tokenizer is a list of stages. Each splits what the stage before it made, and Metaspace and ByteLevel
 * change it too. The words of ByteLevel are plain bytes here: where the package maps them to printable
 * characters for the model, a byte-level model here has its vocabulary mapped back (bpe.h).
 * Built once, then read by any number of threads.
 */
#ifndef LINNET_TEXT_PRETOKENIZER_H
#define LINNET_TEXT_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "text/pattern.h"
#include "text/text_buffer.h"

enum stage_kind { STAGE_BERT, STAGE_SPLIT, STAGE_METASPACE, STAGE_BYTE_LEVEL };

/* What becomes of a match: a piece of its own, nothing, one piece with the matches beside it, or a part of
 * the piece before or behind it (the package's names). */
enum split_behavior {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_CONTIGUOUS,
    SPLIT_MERGED_WITH_PREVIOUS,
    SPLIT_MERGED_WITH_NEXT,
};

enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };

struct stage {
    enum stage_kind kind;
    /* Split, and what is a case of it; Metaspace: the replacement; ByteLevel with splits: its words */
    struct pattern pattern;
    enum split_behavior behavior;
    bool invert;                /* what does not match is a match */
    bool splits;                /* Metaspace and ByteLevel */
    enum prepend_scheme scheme; /* Metaspace: the replacement; ByteLevel: a space, always or never */
};

/* A file with more is refused; published ones have at most 4. */
enum { PRETOKENIZER_MAX_STAGES = 16 };

struct pretokenizer {
    struct stage *stages; /* [count] */
    size_t count;
};

/* One run over a text: `word` is called with each word in order, and ends the run by returning false.
 * spans[0..length) say for each byte of the word which stretch of the text as it came it is of; NULL where
 * pretokenizer_run() was given none. */
struct pretokenizing {
    const struct pretokenizer *pretokenizer;
    struct text_buffer buffers[PRETOKENIZER_MAX_STAGES]; /* of the stages that change text */
    bool (*word)(void *context, const char *word, const struct span *spans, size_t length);
    void *context;
};

/* `starts` says whether the text begins with what the whole text that is encoded began with; `spans` are
 * those of its bytes, or NULL. False: no memory, or word() said so. */
bool pretokenizer_run(struct pretokenizing *run, const char *text, const struct span *spans, size_t length,
                      bool starts);

#endif
