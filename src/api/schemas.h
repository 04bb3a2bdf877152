/* JSON Schemas (2020-12, as OpenAPI 3.1 has them) of what is sent and answered, by name; routes.c refers to
 * them.
 *
 * The texts are JSON whose quotes are written ' so that they can be read here. %T, %V and %D stand for
 * numbers of the model that embeds: tokens that a text may have, its highest token id, dimensions; %P for the
 * names of its prompts, %M for the schema of a field that names it, %N for its name; %t, %v and %q for the
 * first two and the prompts of the model of sparse embeddings; %p for the prompts of the model that
 * tokenizes; %R for the tokens that a reranker's text may have, %K and %n for its field and name; %S and %Q
 * for the special tokens that a classifier's text has, or a pair. Of the model that fills masks: %W its
 * vocabulary, %F the special tokens of a text, %m the pattern of its mask, %k a text with one. Of several
 * models the first that can is meant. %I is the name of the schema of an instance of /vertex, %i an example
 * of it. A reference is {'$ref':'#/components/schemas/NAME'}.
 */
#ifndef LINNET_API_SCHEMAS_H
#define LINNET_API_SCHEMAS_H

#include <stddef.h>

struct schema {
    const char *name;
    const char *text;
    const char *example; /* of a request; NULL: none */
};

extern const struct schema schemas[];
extern const size_t schema_count;

/* NULL: there is none of that name. */
const struct schema *schema_find(const char *name);

#endif
