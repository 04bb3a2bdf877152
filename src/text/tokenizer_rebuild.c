/* The tokenizers that transformers 5.24 builds anew, class by class: of a tokenizer.json only the vocabulary,
 * the added tokens and a charsmap count. */
#include <string.h>

#include "base/buf.h"
#include "text/tokenizer_parts.h"

#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"%s\"}"

/* Sets the parts that `text`, a piece of a tokenizer.json, describes. */
static bool set_parts(struct tokenizer *tokenizer, const struct buf *text, struct arena *scratch,
                      struct error *err)
{
    if (!buf_ok(text))
        return tokenizer_no_memory(err);
    struct blob blob = {(const unsigned char *)text->bytes, text->length};
    yyjson_val *root = tokenizer_parse(blob, "tokenizer.json", scratch, err);
    return root && tokenizer_read_normalizer(tokenizer, root, err) &&
           tokenizer_read_pretokenizer(tokenizer, root, err);
}

static void put_albert_normalizers(struct buf *out, const struct tokenizer_config *config)
{
    buf_puts(out, "{\"type\":\"Replace\",\"pattern\":{\"String\":\"``\"},\"content\":\"\\\"\"},"
                  "{\"type\":\"Replace\",\"pattern\":{\"String\":\"''\"},\"content\":\"\\\"\"}");
    if (!config->keep_accents)
        buf_puts(out, ",{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}");
    if (config->do_lower_case)
        buf_puts(out, ",{\"type\":\"Lowercase\"}");
}

static void put_deberta_normalizers(struct buf *out, const struct tokenizer_config *config)
{
    if (config->do_lower_case)
        buf_puts(out, "{\"type\":\"Lowercase\"},");
    buf_puts(
        out,
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s{2,}|[\\\\n\\\\r\\\\t]\"},\"content\":\" \"},"
        "{\"type\":\"NFC\"},{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}");
}

static void put_parts(struct buf *out, const struct tokenizer_config *config)
{
    const enum tokenizer_class_id id = config->class->id;
    const bool prefix = config->add_prefix_space;
    buf_puts(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (id == CLASS_ALBERT)
        put_albert_normalizers(out, config);
    if (id == CLASS_DEBERTA_V2)
        put_deberta_normalizers(out, config);
    buf_puts(out, "]},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
    if (id == CLASS_ROBERTA || id == CLASS_DEBERTA)
        buf_printf(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s}", prefix ? "true" : "false");
    else if (id == CLASS_DEBERTA_V2)
        buf_printf(out, "%s" METASPACE, config->split_by_punct ? "{\"type\":\"Punctuation\"}," : "",
                   prefix ? "always" : "first");
    else
        buf_printf(out, "{\"type\":\"WhitespaceSplit\"}," METASPACE, prefix ? "always" : "never");
    buf_puts(out, "]}}");
}

bool tokenizer_rebuild_parts(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                             yyjson_val *root, struct arena *scratch, struct error *err)
{
    const enum tokenizer_class_id id = config->class->id;
    struct buf text;
    tokenizer->normalizer = (struct normalizer){0};
    tokenizer->pretokenizer = (struct pretokenizer){0};
    if (!tokenizer_set_class_decoder(tokenizer, config, err))
        return false;
    if (id == CLASS_BERT || id == CLASS_MPNET)
        return tokenizer_set_bert_parts(tokenizer, &config->normalizer, err);
    buf_init(&text);
    put_parts(&text, config);
    bool set = set_parts(tokenizer, &text, scratch, err);
    buf_free(&text);
    if (id != CLASS_XLM_ROBERTA && id != CLASS_CAMEMBERT && id != CLASS_ALBERT)
        return set;
    return set && tokenizer_read_charsmap(tokenizer, root, err);
}

/* The id of a special token, which is in the vocabulary or was added. */
static bool find_special(const struct tokenizer *tokenizer, const struct tokenizer_config *config,
                         enum special_name name, const char *key, int32_t *id, struct error *err)
{
    const char *text = config->named[name];
    const struct added_token *token = text ? added_tokens_find(&tokenizer->added, text, strlen(text)) : NULL;
    if (!token)
        return error_set(err, ERR_BAD_MODEL, "tokenizer_config.json: \"%s\" must not be null or empty", key);
    *id = token->id;
    return true;
}

static bool set_template(struct tokenizer *tokenizer, const struct tokenizer_config *config, yyjson_val *root,
                         struct error *err)
{
    const enum tokenizer_class_id id = config->class->id;
    const bool by_ends = id == CLASS_XLM_ROBERTA || id == CLASS_CAMEMBERT;
    yyjson_val *processor = yyjson_obj_get(root, "post_processor");
    int32_t first = -1, last = -1;
    if (id == CLASS_ALBERT && processor && !yyjson_is_null(processor))
        return tokenizer_read_template(tokenizer, root, err);
    if (!find_special(tokenizer, config, by_ends ? SPECIAL_BOS : SPECIAL_CLS,
                      by_ends ? "bos_token" : "cls_token", &first, err) ||
        !find_special(tokenizer, config, by_ends ? SPECIAL_EOS : SPECIAL_SEP,
                      by_ends ? "eos_token" : "sep_token", &last, err))
        return false;
    tokenizer->postprocessor.trims = id == CLASS_ROBERTA ? config->trim_offsets : id == CLASS_MPNET;
    tokenizer->postprocessor.keeps_prefix = id == CLASS_ROBERTA && config->add_prefix_space;
    if (id == CLASS_BERT || id == CLASS_ALBERT || id == CLASS_DEBERTA_V2)
        return tokenizer_set_bert_template(tokenizer, first, last, err);
    return tokenizer_set_roberta_template(tokenizer, first, last, err);
}

bool tokenizer_rebuild_finish(struct tokenizer *tokenizer, const struct tokenizer_config *config,
                              const struct added_list *file_tokens, yyjson_val *root, struct error *err)
{
    const struct added_list *list = config->has_added ? &config->added : file_tokens;
    if (!added_tokens_init(&tokenizer->added, list->count + config->special.count, &tokenizer->vocabulary,
                           &tokenizer->arena))
        return tokenizer_no_memory(err);
    return tokenizer_add_list(tokenizer, list, err) && tokenizer_finish_added(tokenizer, config, err) &&
           set_template(tokenizer, config, root, err);
}
