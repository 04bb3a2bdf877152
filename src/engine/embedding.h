/* Embeddings: what is done to a text before it is tokenized, and to its pooled row after. Any thread. */
#ifndef LINNET_ENGINE_EMBEDDING_H
#define LINNET_ENGINE_EMBEDDING_H

#include "engine/engine.h"

/* Puts `prompt` (or NULL) before the text, in `arena`. False: ERR_BAD_INPUT (a prompt, but the model makes no
 * embeddings), ERR_NO_MEMORY. */
bool embedding_text(const struct model_desc *desc, const char *prompt, struct arena *arena,
                    struct input *input, struct error *err);

/* Scales to length 1: row[n] / max(|row|, 1e-12), as torch.nn.functional.normalize(). */
void embedding_normalise(float *row, size_t n);

/* The cosine of the angle between two embeddings; 0 where one is zero. */
double embedding_cosine(const float *a, const float *b, size_t n);

/* The prompt that sentence-transformers' encode() puts before each text, or NULL. */
static inline const char *embedding_default(const struct model_desc *desc)
{
    return desc->sentence ? desc->sentence->default_prompt : NULL;
}

/* *out is the text of the model's prompt of that name. False: ERR_BAD_INPUT, with the names there are. */
bool embedding_prompt(const struct model_desc *desc, const char *name, const char **out, struct error *err);

#endif
