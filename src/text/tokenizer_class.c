/* Which of transformers' tokenizer classes a model directory asks for (5.24's AutoTokenizer). */
#include <string.h>

#include "text/tokenizer_config.h"

/* bos, eos, unk, sep, pad, cls, mask */
#define BERT_SPECIAL                                             \
    {                                                            \
        NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]" \
    }
#define ROBERTA_SPECIAL                                          \
    {                                                            \
        "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>" \
    }

static const struct tokenizer_class CLASSES[] = {
    {"PreTrainedTokenizer", CLASS_FILE, {NULL}, false, false, false},
    {"TokenizersBackend", CLASS_FILE, {NULL}, false, false, false},
    {"BertTokenizer", CLASS_BERT, BERT_SPECIAL, false, false, true},
    {"MPNetTokenizer",
     CLASS_MPNET,
     {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"},
     true,
     true,
     false},
    {"RobertaTokenizer", CLASS_ROBERTA, ROBERTA_SPECIAL, false, false, false},
    {"DebertaTokenizer",
     CLASS_DEBERTA,
     {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
     false,
     false,
     true},
    {"XLMRobertaTokenizer", CLASS_XLM_ROBERTA, ROBERTA_SPECIAL, false, false, false},
    {"CamembertTokenizer", CLASS_CAMEMBERT, ROBERTA_SPECIAL, false, true, false},
    {"AlbertTokenizer",
     CLASS_ALBERT,
     {"[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"},
     false,
     false,
     false},
    {"DebertaV2Tokenizer",
     CLASS_DEBERTA_V2,
     {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
     false,
     false,
     true},
};

/* Other names of BertTokenizer. */
static const char *const BERT_KIN[] = {"DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
                                       "LayoutLMTokenizer",   "LxmertTokenizer",  "SqueezeBertTokenizer"};

/* The class of each model type, which counts where no file names one. For a type of TokenizersBackend it
 * counts even then. */
static const struct {
    const char *type, *class;
} MODEL_TYPES[] = {
    {"bert", "BertTokenizer"},
    {"distilbert", "BertTokenizer"},
    {"electra", "BertTokenizer"},
    {"nomic_bert", "BertTokenizer"},
    {"mpnet", "MPNetTokenizer"},
    {"roberta", "RobertaTokenizer"},
    {"deberta", "DebertaTokenizer"},
    {"xlm-roberta", "XLMRobertaTokenizer"},
    {"camembert", "CamembertTokenizer"},
    {"albert", "AlbertTokenizer"},
    {"deberta-v2", "DebertaV2Tokenizer"},
    {"modernbert", "TokenizersBackend"},
};

static bool has_name(const char *name, size_t length, const char *class)
{
    return strlen(class) == length && memcmp(class, name, length) == 0;
}

static const struct tokenizer_class *find_by_name(const char *name)
{
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, "Fast") == 0)
        length -= 4;
    for (size_t i = 0; i < sizeof BERT_KIN / sizeof *BERT_KIN; i++)
        if (has_name(name, length, BERT_KIN[i]))
            return find_by_name("BertTokenizer");
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (has_name(name, length, CLASSES[i].name))
            return &CLASSES[i];
    return NULL;
}

const struct tokenizer_class *tokenizer_class_find(const char *hub_name, const char *model_type)
{
    const struct tokenizer_class *by_type = NULL;
    for (size_t i = 0; model_type && i < sizeof MODEL_TYPES / sizeof *MODEL_TYPES; i++)
        if (strcmp(model_type, MODEL_TYPES[i].type) == 0)
            by_type = find_by_name(MODEL_TYPES[i].class);
    if (by_type && (!hub_name || by_type->id == CLASS_FILE))
        return by_type;
    if (hub_name)
        return find_by_name(hub_name);
    return find_by_name(model_type ? "TokenizersBackend" : "BertTokenizer");
}
