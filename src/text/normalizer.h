/* Normalizers: what happens to a text before it is split into words. A normalizer is a list of steps, each
 * working on what the one before it made. Built once, then read by any number of threads. */
#ifndef LINNET_TEXT_NORMALIZER_H
#define LINNET_TEXT_NORMALIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "text/bert_normalizer.h"
#include "text/charsmap.h"
#include "text/normal_form.h"
#include "text/pattern.h"
#include "text/text_buffer.h"

enum step_kind {
    STEP_BERT,
    STEP_FORM,
    STEP_LOWERCASE,
    STEP_STRIP_ACCENTS, /* drops marks */
    STEP_STRIP,         /* drops white space at the ends */
    STEP_REPLACE,
    STEP_PREPEND, /* puts a text in front of any that is not empty */
    STEP_NMT,     /* sentencepiece's: drops controls, makes spaces of odd white space */
    STEP_CHARSMAP,
};

struct step {
    enum step_kind kind;
    struct bert_normalizer bert;
    enum normal_form form;
    bool strips_left, strips_right;
    struct pattern pattern; /* STEP_REPLACE */
    const char *content;    /* STEP_REPLACE and STEP_PREPEND: [content_length] */
    size_t content_length;
    struct charsmap charsmap;
};

/* A file with more is refused; published ones have at most 7. */
enum { NORMALIZER_MAX_STEPS = 32 };

struct normalizer {
    struct step *steps; /* [count] */
    size_t count;
};

/* What STEP_NMT makes of a character: NORMALIZER_DROPPED for nothing. */
#define NORMALIZER_DROPPED UINT32_MAX
uint32_t normalizer_nmt(uint32_t point);

/* Where the steps write, in turn; used again for each text. */
struct normalizing {
    bool dropped_front; /* the result does not begin with what the last text began with */
    struct text_buffer buffers[2];
};

void normalizing_init(struct normalizing *normalizing, struct arena *arena);

/* Normalizes (*text)[0..*length). The result is the text itself where nothing changes, or lies in
 * `normalizing` until the next call. False: no memory. */
bool normalizer_apply(const struct normalizer *normalizer, struct normalizing *normalizing, const char **text,
                      size_t *length);

#endif
