#include "api/schemas.h"

#include <string.h>

#define REF(name) "{'$ref':'#/components/schemas/" name "'}"
#define STRING "{'type':'string'}"
#define NUMBER "{'type':'number'}"
#define INTEGER "{'type':'integer'}"
#define BOOLEAN "{'type':'boolean'}"
#define STRING_OR_NULL "{'type':['string','null']}"
#define OBJECT_OR_NULL "{'type':['object','null']}"
#define FLAG "{'type':['boolean','null']}"
#define COUNT "{'type':['integer','null'],'minimum':1}"
#define PROBABILITY "{'type':'number','minimum':0,'maximum':1}"
#define PLACE "{'type':'integer','minimum':0}"
#define UNSET "{'enum':[null,false]}"
#define LIST(items) "{'type':'array','items':" items "}"
#define FULL_LIST(items) "{'type':'array','minItems':1,'items':" items "}"
#define NULLABLE(schema) "{'anyOf':[" schema ",{'type':'null'}]}"
#define EITHER(a, b) "{'anyOf':[" a "," b "]}"
#define ANY_OF(a, b, c) "{'anyOf':[" a "," b "," c "]}"
#define TEXTS(text) EITHER(text, FULL_LIST(text))
#define OBJECT(required, properties) \
    "{'type':'object','required':[" required "],'properties':{" properties "},'additionalProperties':false}"
#define OPEN(required, properties) "{'type':'object','required':[" required "],'properties':{" properties "}}"

/* Fields that several requests have. */
#define TRUNCATION "'truncate':" FLAG ",'truncation_direction':" REF("TruncationDirection")
#define PROMPT_NAME "'prompt_name':{'enum':[%Pnull]}"
#define VECTOR_FORM "'dimensions':" REF("Dimensions") ",'encoding_format':" REF("EncodingFormat")

/* As many tokens as the special ones must be left to a text: what pairs need more of is why there are two. */
#define PARAMETERS(least)                                                                          \
    OBJECT("", "'top_k':" COUNT ",'max_length':{'type':['integer','null'],'minimum':" least "},"   \
               "'function_to_apply':{'enum':['softmax','sigmoid','none',null]},"                   \
               "'truncation':{'enum':[true,false,null,'longest_first','only_first','only_second'," \
               "'do_not_truncate']}")
#define PIPELINE(text, parameters)                               \
    OPEN("'inputs'",                                             \
         "'inputs':" EITHER(REF(text), FULL_LIST(REF(text))) "," \
                                                             "'parameters':" NULLABLE(REF(parameters)))

/* Of zero-shot classification: a label among commas, a character that is neither one nor Python's white
 * space; and a template with one {}, or up to 16 {0}, and other braces in pairs (zero_shot_hypothesis()). */
#define LABELS                                                                                          \
    EITHER("{'type':'string','pattern':'[^,\\t-\\r\\u001c- \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028" \
           "\\u2029\\u202f\\u205f\\u3000]'}",                                                           \
           FULL_LIST("{'type':'string','minLength':1}"))
#define PLAIN "([^{}]|[{][{]|[}][}])*"
#define TEMPLATE \
    "{'type':['string','null'],'pattern':'^" PLAIN "([{][}]" PLAIN "|([{]0[}]" PLAIN "){1,16})$'}"

/* In any case; but the lower one is what people see. */
#define STRATEGY                                                                                           \
    EITHER("{'enum':['none','simple','first','average','max',null]}",                                      \
           "{'type':'string','pattern':'^([Nn][Oo][Nn][Ee]|[Ss][Ii][Mm][Pp][Ll][Ee]|[Ff][Ii][Rr][Ss][Tt]|" \
           "[Aa][Vv][Ee][Rr][Aa][Gg][Ee]|[Mm][Aa][Xx])$'}")

/* Of fill-mask: without truncation any max_length is taken, for it is not looked at. */
#define TOKENIZER_OPTIONS                                                                                   \
    EITHER(                                                                                                 \
        OBJECT("'truncation'", "'truncation':{'const':false},'max_length':{'type':'integer','minimum':1}"), \
        OBJECT("", "'truncation':{'const':true},'max_length':{'type':'integer','minimum':%F}"))

/* clang-format off */
const struct schema schemas[] = {
    {"Any", "{}", NULL},
    {"Error", OPEN("'error','error_type'", "'error':" STRING ",'error_type':" STRING), NULL},
    {"State", OPEN("'status'", "'status':{'enum':['ok','live','degraded','loading','draining']}"), NULL},
    {"Info", OPEN("'model_id'", "'model_id':" STRING), NULL},
    {"Label", OPEN("'label','score'", "'label':" STRING ",'score':" NUMBER), NULL},
    {"Labels", LIST(REF("Label")), NULL},

    /* Hugging Face. In routes.c PipelineRequest and PipelineResponse stand for those of the model's task
     * (openapi.c); AnyPipelineRequest, and Any, for those of models that Python computes. */
    {"PipelineText", EITHER(STRING, OBJECT("'text'", "'text':" STRING ",'text_pair':{'enum':['',null]}")),
     NULL},
    {"PipelinePair", EITHER(STRING, OBJECT("'text'", "'text':" STRING ",'text_pair':" STRING_OR_NULL)), NULL},
    {"PipelineParameters", PARAMETERS("%S"), NULL},
    {"PipelinePairParameters", PARAMETERS("%Q"), NULL},
    {"ClassificationRequest",
     EITHER(PIPELINE("PipelineText", "PipelineParameters"),
            PIPELINE("PipelinePair", "PipelinePairParameters")),
     "{'inputs':'I love you.','parameters':{'top_k':null}}"},
    {"ScoringRequest", EITHER(REF("ClassificationRequest"), REF("AnyRerankRequest")),
     "{'inputs':'I love you.'}"},
    {"EmbeddingRequest", EITHER(REF("EmbedRequest"), REF("SimilarityRequest")), "{'inputs':'I love you.'}"},
    {"ClassificationResponse", ANY_OF(REF("Label"), REF("Labels"), LIST(REF("Labels"))), NULL},
    {"ScoringResponse", EITHER(REF("ClassificationResponse"), REF("AnyRerankResponse")), NULL},
    {"EmbeddingResponse", EITHER(REF("Vectors"), REF("Scores")), NULL},
    {"AnyPipelineRequest", OPEN("'inputs'", "'inputs':{},'parameters':" OBJECT_OR_NULL), NULL},

    {"TokenClassificationRequest",
     OPEN("'inputs'",
          "'inputs':" TEXTS(STRING) ",'parameters':"
          NULLABLE(OBJECT("", "'aggregation_strategy':" STRATEGY ","
                              "'ignore_labels':" NULLABLE(LIST(STRING)) ",'stride':" UNSET ","
                              "'is_split_into_words':" UNSET ",'delimiter':" UNSET ",'offset_mapping':" UNSET))),
     "{'inputs':'Sarah lives in London.','parameters':{'aggregation_strategy':'simple'}}"},
    {"TokenEntity",
     OBJECT("'entity','score','index','word','start','end'",
            "'entity':" STRING ",'score':" PROBABILITY ",'index':" PLACE ",'word':" STRING ","
            "'start':" PLACE ",'end':" PLACE),
     NULL},
    {"EntityGroup",
     OBJECT("'entity_group','score','word','start','end'",
            "'entity_group':" STRING ",'score':" PROBABILITY ",'word':" STRING ",'start':" PLACE ",'end':" PLACE),
     NULL},
    {"Entities", EITHER(LIST(REF("TokenEntity")), LIST(REF("EntityGroup"))), NULL},
    {"TokenClassificationResponse", EITHER(REF("Entities"), LIST(REF("Entities"))), NULL},

    {"MaskedText", "{'type':'string','pattern':%m}", NULL},
    {"FillMaskRequest",
     OPEN("'inputs'",
          "'inputs':" TEXTS(REF("MaskedText")) ",'parameters':"
          NULLABLE(OBJECT("", "'top_k':{'type':['integer','null'],'minimum':1,'maximum':%W},"
                              "'targets':" NULLABLE(TEXTS("{'type':'string','minLength':1}")) ","
                              "'tokenizer_kwargs':" NULLABLE(TOKENIZER_OPTIONS)))),
     "{'inputs':%k,'parameters':{'top_k':3}}"},
    {"Filling",
     OBJECT("'score','token','token_str','sequence'",
            "'score':" PROBABILITY ",'token':" PLACE ",'token_str':" STRING ",'sequence':" STRING),
     NULL},
    {"Fillings", EITHER(LIST(REF("Filling")), FULL_LIST(LIST(REF("Filling")))), NULL},
    {"FillMaskResponse", EITHER(REF("Fillings"), LIST(REF("Fillings"))), NULL},

    {"ZeroShotRequest",
     OPEN("'inputs','parameters'",
          "'inputs':" TEXTS("{'type':'string','minLength':1}") ",'parameters':"
          OBJECT("'candidate_labels'", "'candidate_labels':" LABELS ",'multi_label':" FLAG ","
                                       "'hypothesis_template':" TEMPLATE)),
     "{'inputs':'The train was late.','parameters':{'candidate_labels':['travel','food']}}"},
    {"RankedLabels",
     OBJECT("'sequence','labels','scores'",
            "'sequence':" STRING ",'labels':" FULL_LIST(STRING) ",'scores':" FULL_LIST(PROBABILITY)),
     NULL},
    {"ZeroShotResponse", EITHER(REF("RankedLabels"), LIST(REF("RankedLabels"))), NULL},

    /* text-embeddings-inference */
    {"Sequence", "{'type':'array','items':{'type':'string'},'minItems':1,'maxItems':2}", NULL},
    {"TruncationDirection", "{'enum':['Left','Right','left','right',null]}", NULL},
    {"PredictRequest",
     OBJECT("'inputs'",
            "'inputs':" EITHER(EITHER(STRING, REF("Sequence")), FULL_LIST(REF("Sequence"))) ","
            "'raw_scores':" FLAG "," TRUNCATION),
     "{'inputs':[['I love you.'],['I hate you.']]}"},
    {"PredictResponse", EITHER(REF("Labels"), LIST(REF("Labels"))), NULL},
    {"TokenIds",
     "{'type':'array','minItems':1,'maxItems':%T,'items':{'type':'integer','minimum':0,'maximum':%V}}", NULL},
    {"TextOrIds", EITHER(STRING, REF("TokenIds")), NULL},
    {"Embedded", EITHER(REF("TextOrIds"), FULL_LIST(REF("TextOrIds"))), NULL},
    {"Dimensions", "{'type':['integer','null'],'minimum':1,'maximum':%D}", NULL},
    {"EncodingFormat", "{'enum':['float','base64',null]}", NULL},
    {"EmbedRequest",
     OBJECT("'inputs'",
            "'inputs':" REF("Embedded") ",'normalize':" FLAG "," TRUNCATION "," PROMPT_NAME "," VECTOR_FORM),
     "{'inputs':['I love you.','I hate you.']}"},
    {"Vector", EITHER(LIST(NUMBER), STRING), NULL},
    {"Vectors", LIST(REF("Vector")), NULL},
    {"EmbedAllRequest", OBJECT("'inputs'", "'inputs':" REF("Embedded") "," TRUNCATION "," PROMPT_NAME),
     "{'inputs':'I love you.'}"},
    {"TokenVectors", LIST(LIST(LIST(NUMBER))), NULL},
    {"SparseTokenIds",
     "{'type':'array','minItems':1,'maxItems':%t,'items':{'type':'integer','minimum':0,'maximum':%v}}", NULL},
    {"SparseTextOrIds", EITHER(STRING, REF("SparseTokenIds")), NULL},
    {"EmbedSparseRequest",
     OBJECT("'inputs'",
            "'inputs':" EITHER(REF("SparseTextOrIds"), FULL_LIST(REF("SparseTextOrIds"))) "," TRUNCATION ","
            "'prompt_name':{'enum':[%qnull]}"),
     "{'inputs':['I love you.','I hate you.']}"},
    {"SparseValue",
     OPEN("'index','value'",
          "'index':{'type':'integer','minimum':0},'value':{'type':'number','exclusiveMinimum':0}"),
     NULL},
    {"SparseVectors", LIST(LIST(REF("SparseValue"))), NULL},
    {"SimilarityInputs",
     OBJECT("'source_sentence','sentences'", "'source_sentence':" STRING ",'sentences':" FULL_LIST(STRING)),
     NULL},
    {"SimilarityRequest",
     OBJECT("'inputs'",
            "'inputs':" REF("SimilarityInputs") ","
            "'parameters':" NULLABLE(OBJECT("", TRUNCATION "," PROMPT_NAME))),
     "{'inputs':{'source_sentence':'I love you.','sentences':['I like you.','I hate you.']}}"},
    {"Scores", LIST(NUMBER), NULL},
    {"TextsRerankRequest",
     OBJECT("'query','texts'",
            "'query':" STRING ",'texts':" FULL_LIST(STRING) ","
            "'raw_scores':" FLAG ",'return_text':" FLAG "," TRUNCATION),
     NULL},
    {"AnyRerankRequest", EITHER(REF("TextsRerankRequest"), REF("RerankRequest")),
     "{'query':'What is love?','texts':['I love you.','It rains.']}"},
    {"Rank", OPEN("'index','score'", "'index':" INTEGER ",'score':" NUMBER), NULL},
    {"AnyRerankResponse", EITHER(LIST(REF("Rank")), REF("RerankResponse")), NULL},
    {"VertexRequest", OPEN("'instances'", "'instances':" FULL_LIST(REF("%I"))),
     "{'instances':[%i]}"},
    {"VertexResponse", OPEN("'predictions'", "'predictions':{'type':'array'}"), NULL},
    {"TokenizeRequest",
     OBJECT("'inputs'",
            "'inputs':" EITHER(STRING, FULL_LIST(STRING)) ",'add_special_tokens':" FLAG ","
            "'prompt_name':{'enum':[%pnull]}"),
     "{'inputs':['I love you.']}"},
    {"Token",
     OPEN("'id','text','special','start','stop'",
          "'id':" INTEGER ",'text':" STRING ",'special':" BOOLEAN ","
          "'start':{'type':['integer','null']},'stop':{'type':['integer','null']}"),
     NULL},
    {"TokenizeResponse", LIST(LIST(REF("Token"))), NULL},
    {"DecodedIds",
     "{'type':'array','minItems':1,'items':{'type':'integer','minimum':0,'maximum':2147483647}}", NULL},
    {"DecodeRequest",
     OBJECT("'ids'",
            "'ids':" EITHER(REF("DecodedIds"), FULL_LIST(REF("DecodedIds"))) ",'skip_special_tokens':" FLAG),
     "{'ids':[2,3,4]}"},
    {"Texts", LIST(STRING), NULL},

    /* OpenAI */
    {"OpenAIError",
     OPEN("'error'", "'error':" OPEN("'message','type'", "'message':" STRING ",'type':" STRING)), NULL},
    {"OpenAIEmbeddingsRequest",
     OBJECT("'input'",
            "'input':" REF("Embedded") ",'model':%M,'user':" STRING_OR_NULL "," VECTOR_FORM),
     "{'input':'I love you.','model':%N}"},
    {"OpenAIEmbedding",
     OPEN("'object','index','embedding'",
          "'object':{'const':'embedding'},'index':" INTEGER ",'embedding':" REF("Vector")),
     NULL},
    {"OpenAIEmbeddings",
     OPEN("'object','data','model','usage'",
          "'object':{'const':'list'},'model':" STRING ",'data':" LIST(REF("OpenAIEmbedding"))),
     NULL},
    {"OpenAIModel", OPEN("'id','object'", "'id':" STRING ",'object':{'const':'model'}"), NULL},
    {"OpenAIModels", OPEN("'data'", "'data':" LIST(REF("OpenAIModel"))), NULL},

    /* Cohere and Jina */
    {"CohereError", OPEN("'message'", "'message':" STRING), NULL},
    {"Document", EITHER(STRING, OPEN("'text'", "'text':" STRING)), NULL},
    {"RerankRequest",
     OBJECT("'query','documents'",
            "'query':" STRING ",'documents':" FULL_LIST(REF("Document")) ",'model':%K,"
            "'top_n':" COUNT ",'return_documents':" FLAG ",'truncate':" FLAG ","
            "'max_tokens_per_doc':{'type':['integer','null'],'minimum':%R},"
            "'priority':{'type':['integer','null'],'minimum':0}"),
     "{'model':%n,'query':'What is love?','documents':['I love you.','It rains.'],'top_n':1}"},
    {"RerankResult", OPEN("'index','relevance_score'", "'index':" INTEGER ",'relevance_score':" NUMBER),
     NULL},
    {"RerankResponse", OPEN("'results'", "'results':" LIST(REF("RerankResult"))), NULL},

    /* Open Inference Protocol */
    {"OIPError", OPEN("'error'", "'error':" STRING), NULL},
    {"OIPLive", OPEN("'live'", "'live':" BOOLEAN), NULL},
    {"OIPReady", OPEN("'ready'", "'ready':" BOOLEAN), NULL},
    {"OIPServer", OPEN("'name','version','extensions'", "'name':" STRING ",'version':" STRING), NULL},
    {"OIPModel", OPEN("'name','platform','inputs','outputs'", "'name':" STRING ",'platform':" STRING), NULL},
    {"OIPData", EITHER(STRING, LIST(REF("OIPData"))), NULL},
    {"OIPTensor",
     OPEN("'name','shape','datatype','data'",
          "'name':{'enum':['text','text_pair']},'datatype':{'const':'BYTES'},"
          "'shape':" LIST("{'type':'integer','minimum':0}") ",'data':" LIST(REF("OIPData"))),
     NULL},
    {"OIPInferRequest",
     OBJECT("'inputs'",
            "'id':" STRING_OR_NULL ",'parameters':" OBJECT_OR_NULL ","
            "'outputs':" NULLABLE(LIST(OPEN("'name'", "'name':" STRING))) ","
            "'inputs':{'type':'array','minItems':1,'maxItems':2,'items':" REF("OIPTensor") "}"),
     "{'inputs':[{'name':'text','datatype':'BYTES','shape':[2],'data':['I love you.','I hate you.']}]}"},
    {"OIPOutput",
     OPEN("'name','shape','datatype'",
          "'name':" STRING ",'shape':" LIST(INTEGER) ",'datatype':{'const':'FP32'}"),
     NULL},
    {"OIPInferResponse",
     OPEN("'model_name','outputs'", "'model_name':" STRING ",'outputs':" LIST(REF("OIPOutput"))), NULL},
};
/* clang-format on */

const size_t schema_count = sizeof schemas / sizeof *schemas;

const struct schema *schema_find(const char *name)
{
    for (size_t i = 0; i < schema_count; i++)
        if (strcmp(schemas[i].name, name) == 0)
            return &schemas[i];
    return NULL;
}
