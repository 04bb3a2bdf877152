#include "model/family.h"

#include <string.h>

static const struct family families[] = {
    {
        .model_type = "bert",
        .architecture = "BertForSequenceClassification",
        .keys = {.hidden = "hidden_size",
                 .layers = "num_hidden_layers",
                 .heads = "num_attention_heads",
                 .intermediate = "intermediate_size",
                 .activation = "hidden_act",
                 .type_vocab = "type_vocab_size",
                 .eps = "layer_norm_eps"},
        .defaults = {.hidden = 768, .layers = 12, .heads = 12, .intermediate = 3072},
        .names = {.words = "bert.embeddings.word_embeddings",
                  .positions = "bert.embeddings.position_embeddings",
                  .types = "bert.embeddings.token_type_embeddings",
                  .norm = "bert.embeddings.LayerNorm",
                  .query = "bert.encoder.layer.%d.attention.self.query",
                  .key = "bert.encoder.layer.%d.attention.self.key",
                  .value = "bert.encoder.layer.%d.attention.self.value",
                  .attention_output = "bert.encoder.layer.%d.attention.output.dense",
                  .attention_norm = "bert.encoder.layer.%d.attention.output.LayerNorm",
                  .up = "bert.encoder.layer.%d.intermediate.dense",
                  .down = "bert.encoder.layer.%d.output.dense",
                  .output_norm = "bert.encoder.layer.%d.output.LayerNorm",
                  .pooler = "bert.pooler.dense",
                  .classifier = "classifier"},
        .pooler_activation = ACT_TANH,
    },
    {
        .model_type = "distilbert",
        .architecture = "DistilBertForSequenceClassification",
        .keys = {.hidden = "dim",
                 .layers = "n_layers",
                 .heads = "n_heads",
                 .intermediate = "hidden_dim",
                 .activation = "activation"},
        .defaults = {.hidden = 768, .layers = 6, .heads = 12, .intermediate = 3072},
        .names = {.words = "distilbert.embeddings.word_embeddings",
                  .positions = "distilbert.embeddings.position_embeddings",
                  .norm = "distilbert.embeddings.LayerNorm",
                  .query = "distilbert.transformer.layer.%d.attention.q_lin",
                  .key = "distilbert.transformer.layer.%d.attention.k_lin",
                  .value = "distilbert.transformer.layer.%d.attention.v_lin",
                  .attention_output = "distilbert.transformer.layer.%d.attention.out_lin",
                  .attention_norm = "distilbert.transformer.layer.%d.sa_layer_norm",
                  .up = "distilbert.transformer.layer.%d.ffn.lin1",
                  .down = "distilbert.transformer.layer.%d.ffn.lin2",
                  .output_norm = "distilbert.transformer.layer.%d.output_layer_norm",
                  .pooler = "pre_classifier",
                  .classifier = "classifier"},
        .pooler_activation = ACT_RELU,
    },
};

const struct family *family_at(size_t index)
{
    return index < sizeof families / sizeof *families ? &families[index] : NULL;
}

const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}
