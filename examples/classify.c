/* Classifies its arguments: classify MODEL TEXT...
 *
 * cc classify.c -I../include ../build/release/liblinnet.a -lm -lpthread -o classify */
#include <stdio.h>
#include <stdlib.h>

#include <linnet.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: classify MODEL TEXT...\n");
        return 2;
    }
    linnet_error error;
    linnet_model *model = linnet_open(argv[1], NULL, &error);
    size_t count = (size_t)argc - 2;
    linnet_result *results = calloc(count, sizeof *results);
    const char *const *texts = (const char *const *)argv + 2;
    if (!model || !results || !linnet_classify(model, texts, count, results, &error)) {
        fprintf(stderr, "classify: %s\n", results ? error.message : "no memory");
        return 1;
    }
    for (size_t i = 0; i < count; i++)
        printf("%-10s %.4f  %s\n", results[i].label, results[i].score, texts[i]);
    free(results);
    linnet_close(model);
    return 0;
}
