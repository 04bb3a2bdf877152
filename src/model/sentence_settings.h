/* What sentence-transformers' files say of a text before and an embedding after the modules: how long a text
 * may be, whether it is lowered, prompts, how many dimensions are kept.
 *
 * Both read into `out`, strings into `arena`, and take a missing file as one that says nothing. A setting
 * that would change the answers and that linnet lacks is ERR_UNSUPPORTED_MODEL with its name; besides
 * ERR_BAD_MODEL, ERR_NO_MEMORY.
 *
 * Source: sentence-transformers 6.2 (base/modules/transformer.py, sentence_transformer/model.py).
 */
#ifndef LINNET_MODEL_SENTENCE_SETTINGS_H
#define LINNET_MODEL_SENTENCE_SETTINGS_H

#include "model/files.h"
#include "model/sentence.h"

/* sentence_bert_config.json, or what else it is called. */
bool sentence_read_encoding(const struct model_files *files, struct arena *arena, struct sentence *out,
                            struct error *err);

/* config_sentence_transformers.json, once out->dimensions is known. */
bool sentence_read_settings(const struct model_files *files, struct arena *arena, struct sentence *out,
                            struct error *err);

#endif
