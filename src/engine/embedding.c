#include "engine/embedding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool embedding_text(const struct model_desc *desc, const char *prompt, struct arena *arena,
                    struct input *input, struct error *err)
{
    size_t length = prompt ? strlen(prompt) : 0;
    if (prompt && !desc->sentence)
        return error_set(err, ERR_BAD_INPUT, "a prompt is for embeddings, the task here is %s",
                         desc->task_name);
    if (length == 0)
        return true;
    char *text = arena_alloc(arena, length + input->text_length + 1);
    if (!text)
        return error_set(err, ERR_NO_MEMORY, "no memory for a text of %zu bytes", input->text_length);
    memcpy(text, prompt, length);
    memcpy(text + length, input->text, input->text_length);
    text[length + input->text_length] = 0;
    input->text = text;
    input->text_length += length;
    return true;
}

void embedding_normalise(float *row, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)row[i] * row[i];
    float length = fmaxf((float)sqrt(sum), 1e-12f);
    for (size_t i = 0; i < n; i++)
        row[i] /= length;
}

double embedding_cosine(const float *a, const float *b, size_t n)
{
    double dot = 0, a_square = 0, b_square = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        a_square += (double)a[i] * a[i];
        b_square += (double)b[i] * b[i];
    }
    return a_square > 0 && b_square > 0 ? dot / (sqrt(a_square) * sqrt(b_square)) : 0;
}

bool embedding_prompt(const struct model_desc *desc, const char *name, const char **out, struct error *err)
{
    const struct sentence *sentence = desc->sentence;
    char known[200] = "it has none";
    size_t length = 0;
    for (int i = 0; sentence && i < sentence->prompt_count; i++) {
        *out = sentence->prompts[i].text;
        if (strcmp(sentence->prompts[i].name, name) == 0)
            return true;
        if (length < sizeof known)
            length += (size_t)snprintf(known + length, sizeof known - length, "%s\"%s\"", i ? ", " : "want ",
                                       sentence->prompts[i].name);
    }
    *out = NULL;
    return error_set(err, ERR_BAD_INPUT, "the model has no prompt \"%.60s\", %s", name, known);
}
