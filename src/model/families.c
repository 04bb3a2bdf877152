#include "model/family.h"

/* --- Keys and tensor names that families share */

#define BERT_KEYS                                                                                     \
    .hidden = "hidden_size", .layers = "num_hidden_layers", .heads = "num_attention_heads",           \
    .intermediate = "intermediate_size", .activation = "hidden_act", .type_vocab = "type_vocab_size", \
    .eps = "layer_norm_eps"

static const struct family_keys bert_keys = {BERT_KEYS};

static const struct family_keys electra_keys = {BERT_KEYS, .embedding = "embedding_size"};

static const struct family_keys albert_keys = {BERT_KEYS, .embedding = "embedding_size",
                                               .groups = "num_hidden_groups",
                                               .inner_layers = "inner_group_num"};

static const struct family_keys distilbert_keys = {.hidden = "dim",
                                                   .layers = "n_layers",
                                                   .heads = "n_heads",
                                                   .intermediate = "hidden_dim",
                                                   .activation = "activation",
                                                   .hidden_alias = "hidden_size",
                                                   .layers_alias = "num_hidden_layers",
                                                   .heads_alias = "num_attention_heads"};

#define BERT_EMBEDDING_NAMES                                                              \
    .words = "embeddings.word_embeddings", .positions = "embeddings.position_embeddings", \
    .types = "embeddings.token_type_embeddings", .norm = "embeddings.LayerNorm"

#define BERT_LAYER_NAMES                                                                            \
    .query = "encoder.layer.%d.attention.self.query", .key = "encoder.layer.%d.attention.self.key", \
    .value = "encoder.layer.%d.attention.self.value",                                               \
    .attention_output = "encoder.layer.%d.attention.output.dense",                                  \
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",                                \
    .up = "encoder.layer.%d.intermediate.dense", .down = "encoder.layer.%d.output.dense",           \
    .output_norm = "encoder.layer.%d.output.LayerNorm"

static const struct family_names bert_names = {BERT_EMBEDDING_NAMES, BERT_LAYER_NAMES};

static const struct family_names electra_names = {BERT_EMBEDDING_NAMES, BERT_LAYER_NAMES,
                                                  .projection = "embeddings_project"};

static const struct family_names distilbert_names = {
    .words = "embeddings.word_embeddings",
    .positions = "embeddings.position_embeddings",
    .norm = "embeddings.LayerNorm",
    .query = "transformer.layer.%d.attention.q_lin",
    .key = "transformer.layer.%d.attention.k_lin",
    .value = "transformer.layer.%d.attention.v_lin",
    .attention_output = "transformer.layer.%d.attention.out_lin",
    .attention_norm = "transformer.layer.%d.sa_layer_norm",
    .up = "transformer.layer.%d.ffn.lin1",
    .down = "transformer.layer.%d.ffn.lin2",
    .output_norm = "transformer.layer.%d.output_layer_norm",
};

#define ALBERT_LAYER "encoder.albert_layer_groups.%d.albert_layers.%d."

static const struct family_names albert_names = {
    BERT_EMBEDDING_NAMES,
    .projection = "encoder.embedding_hidden_mapping_in",
    .query = ALBERT_LAYER "attention.query",
    .key = ALBERT_LAYER "attention.key",
    .value = ALBERT_LAYER "attention.value",
    .attention_output = ALBERT_LAYER "attention.dense",
    .attention_norm = ALBERT_LAYER "attention.LayerNorm",
    .up = ALBERT_LAYER "ffn",
    .down = ALBERT_LAYER "ffn_output",
    .output_norm = ALBERT_LAYER "full_layer_layer_norm",
};

static const struct family_keys mpnet_keys = {.hidden = "hidden_size",
                                              .layers = "num_hidden_layers",
                                              .heads = "num_attention_heads",
                                              .intermediate = "intermediate_size",
                                              .activation = "hidden_act",
                                              .eps = "layer_norm_eps"};

static const struct family_names mpnet_names = {
    .words = "embeddings.word_embeddings",
    .positions = "embeddings.position_embeddings",
    .norm = "embeddings.LayerNorm",
    .query = "encoder.layer.%d.attention.attn.q",
    .key = "encoder.layer.%d.attention.attn.k",
    .value = "encoder.layer.%d.attention.attn.v",
    .attention_output = "encoder.layer.%d.attention.attn.o",
    .attention_norm = "encoder.layer.%d.attention.LayerNorm",
    .up = "encoder.layer.%d.intermediate.dense",
    .down = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
    .distance_bias = "encoder.relative_attention_bias",
};

#define DEBERTA_ATTENTION "encoder.layer.%d.attention.self."

static const struct family_names deberta_names = {
    BERT_EMBEDDING_NAMES,
    .query = DEBERTA_ATTENTION "query_proj",
    .key = DEBERTA_ATTENTION "key_proj",
    .value = DEBERTA_ATTENTION "value_proj",
    .attention_output = "encoder.layer.%d.attention.output.dense",
    .attention_norm = "encoder.layer.%d.attention.output.LayerNorm",
    .up = "encoder.layer.%d.intermediate.dense",
    .down = "encoder.layer.%d.output.dense",
    .output_norm = "encoder.layer.%d.output.LayerNorm",
    .relative = "encoder.rel_embeddings",
    .relative_norm = "encoder.LayerNorm",
    .relative_query = DEBERTA_ATTENTION "pos_query_proj",
    .relative_key = DEBERTA_ATTENTION "pos_key_proj",
};

static const struct family_keys modernbert_keys = {.hidden = "hidden_size",
                                                   .layers = "num_hidden_layers",
                                                   .heads = "num_attention_heads",
                                                   .intermediate = "intermediate_size",
                                                   .activation = "hidden_activation",
                                                   .eps = "norm_eps"};

static const struct family_names modernbert_names = {
    .words = "embeddings.tok_embeddings",
    .norm = "embeddings.norm",
    .query = "layers.%d.attn.Wqkv",
    .key = "layers.%d.attn.Wqkv",
    .value = "layers.%d.attn.Wqkv",
    .attention_output = "layers.%d.attn.Wo",
    .attention_norm = "layers.%d.mlp_norm",
    .up = "layers.%d.mlp.Wi",
    .gate = "layers.%d.mlp.Wi",
    .down = "layers.%d.mlp.Wo",
    .output_norm = "layers.%d.attn_norm",
    .final_norm = "final_norm",
};

/* As files have them, the first ones and those that transformers writes alike. */
static const struct family_names nomic_names = {
    .words = "embeddings.word_embeddings",
    .types = "embeddings.token_type_embeddings",
    .norm = "emb_ln",
    .query = "encoder.layers.%d.attn.Wqkv",
    .key = "encoder.layers.%d.attn.Wqkv",
    .value = "encoder.layers.%d.attn.Wqkv",
    .attention_output = "encoder.layers.%d.attn.out_proj",
    .attention_norm = "encoder.layers.%d.norm1",
    .up = "encoder.layers.%d.mlp.fc12",
    .gate = "encoder.layers.%d.mlp.fc11",
    .down = "encoder.layers.%d.mlp.fc2",
    .output_norm = "encoder.layers.%d.norm2",
};

/* --- Heads */

static const struct head bert_heads[] = {
    {.architecture = "BertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "bert.pooler.dense",
     .activation = ACT_TANH,
     .output = "classifier"},
    {.architecture = "BertForTokenClassification", .kind = HEAD_TOKEN_CLASSIFICATION, .output = "classifier"},
    {.architecture = "BertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "cls.predictions.transform.dense",
     .activation_key = "hidden_act",
     .norm = "cls.predictions.transform.LayerNorm",
     .output = "cls.predictions.decoder",
     .output_bias = "cls.predictions"},
    {.architecture = "BertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head distilbert_heads[] = {
    {.architecture = "DistilBertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "pre_classifier",
     .activation = ACT_RELU,
     .output = "classifier"},
    {.architecture = "DistilBertForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "DistilBertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "vocab_transform",
     .activation_key = "activation",
     .norm = "vocab_layer_norm",
     .output = "vocab_projector"},
    {.architecture = "DistilBertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head roberta_heads[] = {
    {.architecture = "RobertaForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "classifier.dense",
     .activation = ACT_TANH,
     .output = "classifier.out_proj"},
    {.architecture = "RobertaForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "RobertaForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "lm_head.dense",
     .activation = ACT_GELU_ERF,
     .norm = "lm_head.layer_norm",
     .output = "lm_head.decoder",
     .output_bias = "lm_head"},
    {.architecture = "RobertaModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head xlm_roberta_heads[] = {
    {.architecture = "XLMRobertaForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "classifier.dense",
     .activation = ACT_TANH,
     .output = "classifier.out_proj"},
    {.architecture = "XLMRobertaForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "XLMRobertaForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "lm_head.dense",
     .activation = ACT_GELU_ERF,
     .norm = "lm_head.layer_norm",
     .output = "lm_head.decoder",
     .output_bias = "lm_head"},
    {.architecture = "XLMRobertaModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head camembert_heads[] = {
    {.architecture = "CamembertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "classifier.dense",
     .activation = ACT_TANH,
     .output = "classifier.out_proj"},
    {.architecture = "CamembertForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "CamembertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "lm_head.dense",
     .activation = ACT_GELU_ERF,
     .norm = "lm_head.layer_norm",
     .output = "lm_head.decoder",
     .output_bias = "lm_head"},
    {.architecture = "CamembertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head electra_heads[] = {
    {.architecture = "ElectraForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "classifier.dense",
     .activation = ACT_GELU_ERF,
     .output = "classifier.out_proj"},
    {.architecture = "ElectraForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "ElectraForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "generator_predictions.dense",
     .activation = ACT_GELU_ERF,
     .norm = "generator_predictions.LayerNorm",
     .output = "generator_lm_head"},
    {.architecture = "ElectraModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head albert_heads[] = {
    {.architecture = "AlbertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "albert.pooler",
     .activation = ACT_TANH,
     .output = "classifier"},
    {.architecture = "AlbertForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "AlbertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "predictions.dense",
     .activation_key = "hidden_act",
     .norm = "predictions.LayerNorm",
     .output = "predictions.decoder",
     .output_bias = "predictions"},
    {.architecture = "AlbertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head mpnet_heads[] = {
    {.architecture = "MPNetForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "classifier.dense",
     .activation = ACT_TANH,
     .output = "classifier.out_proj"},
    {.architecture = "MPNetForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "MPNetForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "lm_head.dense",
     .activation = ACT_GELU_ERF,
     .norm = "lm_head.layer_norm",
     .output = "lm_head.decoder",
     .output_bias = "lm_head"},
    {.architecture = "MPNetModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head deberta_heads[] = {
    {.architecture = "DebertaV2ForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "pooler.dense",
     .activation = ACT_GELU_ERF,
     .activation_key = "pooler_hidden_act",
     .output = "classifier"},
    {.architecture = "DebertaV2ForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "DebertaV2ForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "cls.predictions.transform.dense",
     .activation_key = "hidden_act",
     .norm = "cls.predictions.transform.LayerNorm",
     .output = "cls.predictions.decoder",
     .output_bias = "cls.predictions"},
    {.architecture = "DebertaV2ForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .unless_key = "legacy",
     .dense = "lm_predictions.lm_head.dense",
     .activation_key = "hidden_act",
     .norm = "lm_predictions.lm_head.LayerNorm",
     .output_bias = "lm_predictions.lm_head"},
    {.architecture = "DebertaV2Model", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head modernbert_heads[] = {
    {.architecture = "ModernBertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "head.dense",
     .activation = ACT_GELU_ERF,
     .activation_key = "classifier_activation",
     .pooling_key = "classifier_pooling",
     .norm = "head.norm",
     .output = "classifier"},
    {.architecture = "ModernBertForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .dense = "head.dense",
     .activation = ACT_GELU_ERF,
     .activation_key = "classifier_activation",
     .norm = "head.norm",
     .output = "classifier"},
    {.architecture = "ModernBertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "head.dense",
     .activation = ACT_GELU_ERF,
     .activation_key = "classifier_activation",
     .norm = "head.norm",
     .output = "decoder",
     .bias_key = "decoder_bias"},
    {.architecture = "ModernBertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

static const struct head nomic_heads[] = {
    {.architecture = "NomicBertForSequenceClassification",
     .kind = HEAD_CLASSIFICATION,
     .dense = "nomic_bert.pooler.dense",
     .activation = ACT_TANH,
     .output = "classifier"},
    {.architecture = "NomicBertForTokenClassification",
     .kind = HEAD_TOKEN_CLASSIFICATION,
     .output = "classifier"},
    {.architecture = "NomicBertForMaskedLM",
     .kind = HEAD_MASKED_LM,
     .dense = "cls.predictions.transform.dense",
     .activation_key = "hidden_act",
     .norm = "cls.predictions.transform.layer_norm",
     .output = "cls.predictions.decoder",
     .output_bias = "cls.predictions"},
    {.architecture = "NomicBertModel", .kind = HEAD_NONE},
    {.architecture = NULL},
};

/* --- Families */

#define BASE_SIZES .positions = 512, .hidden = 768, .heads = 12, .intermediate = 3072, .activation = "gelu"

const struct family families[] = {
    {
        .model_type = "bert",
        .keys = &bert_keys,
        .defaults = {BASE_SIZES, .vocab = 30522, .layers = 12, .type_vocab = 2},
        .prefix = "bert.",
        .names = &bert_names,
        .heads = bert_heads,
    },
    {
        .model_type = "distilbert",
        .keys = &distilbert_keys,
        .defaults = {BASE_SIZES, .vocab = 30522, .layers = 6},
        .prefix = "distilbert.",
        .names = &distilbert_names,
        .heads = distilbert_heads,
    },
    {
        .model_type = "roberta",
        .keys = &bert_keys,
        .defaults = {BASE_SIZES, .vocab = 50265, .layers = 12, .type_vocab = 2, .pad = 1},
        .positions = POSITIONS_AFTER_PADDING,
        .prefix = "roberta.",
        .names = &bert_names,
        .heads = roberta_heads,
    },
    {
        .model_type = "xlm-roberta",
        .keys = &bert_keys,
        .defaults = {BASE_SIZES, .vocab = 30522, .layers = 12, .type_vocab = 2, .pad = 1},
        .positions = POSITIONS_AFTER_PADDING,
        .prefix = "roberta.",
        .names = &bert_names,
        .heads = xlm_roberta_heads,
    },
    {
        .model_type = "camembert",
        .keys = &bert_keys,
        .defaults = {BASE_SIZES, .vocab = 30522, .layers = 12, .type_vocab = 2, .pad = 1},
        .positions = POSITIONS_AFTER_PADDING,
        .prefix = "roberta.",
        .names = &bert_names,
        .heads = camembert_heads,
    },
    {
        .model_type = "electra",
        .keys = &electra_keys,
        .defaults = {.vocab = 30522,
                     .positions = 512,
                     .hidden = 256,
                     .embedding = 128,
                     .layers = 12,
                     .heads = 4,
                     .intermediate = 1024,
                     .type_vocab = 2,
                     .activation = "gelu"},
        .prefix = "electra.",
        .names = &electra_names,
        .heads = electra_heads,
    },
    {
        .model_type = "albert",
        .keys = &albert_keys,
        .defaults = {.vocab = 30000,
                     .positions = 512,
                     .hidden = 4096,
                     .embedding = 128,
                     .layers = 12,
                     .groups = 1,
                     .inner_layers = 1,
                     .heads = 64,
                     .intermediate = 16384,
                     .type_vocab = 2,
                     .activation = "gelu_new"},
        .always_projects = true,
        .prefix = "albert.",
        .names = &albert_names,
        .heads = albert_heads,
    },
    {
        .model_type = "mpnet",
        .keys = &mpnet_keys,
        .defaults = {BASE_SIZES, .vocab = 30527, .layers = 12},
        .positions = POSITIONS_AFTER_TOKEN_ONE,
        .attention = ATTENTION_BIASED,
        .prefix = "mpnet.",
        .names = &mpnet_names,
        .heads = mpnet_heads,
    },
    {
        .model_type = "deberta-v2",
        .keys = &bert_keys,
        .defaults = {.vocab = 128100,
                     .positions = 512,
                     .hidden = 1536,
                     .layers = 24,
                     .heads = 24,
                     .intermediate = 6144,
                     .eps = 1e-7f,
                     .activation = "gelu"},
        .attention = ATTENTION_DISENTANGLED,
        .prefix = "deberta.",
        .names = &deberta_names,
        .heads = deberta_heads,
    },
    {
        .model_type = "modernbert",
        .keys = &modernbert_keys,
        .defaults = {.vocab = 50368,
                     .positions = 8192,
                     .hidden = 768,
                     .layers = 22,
                     .heads = 12,
                     .intermediate = 1152,
                     .eps = 1e-5f,
                     .activation = "gelu"},
        .attention = ATTENTION_LOCAL_AND_GLOBAL,
        .biases = BIASES_BY_CONFIG,
        .norms_first = true,
        .prefix = "model.",
        .names = &modernbert_names,
        .heads = modernbert_heads,
    },
    {
        .model_type = "nomic_bert",
        .keys = &bert_keys,
        .defaults = {.vocab = 30528,
                     .positions = 2048,
                     .hidden = 768,
                     .layers = 12,
                     .heads = 12,
                     .intermediate = 3072,
                     .type_vocab = 2,
                     .activation = "silu"},
        .attention = ATTENTION_ROTARY,
        .biases = BIASES_OUTSIDE_LAYERS,
        .prefix = "nomic_bert.",
        .names = &nomic_names,
        .heads = nomic_heads,
    },
    {.model_type = NULL},
};
