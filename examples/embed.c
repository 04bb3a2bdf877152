/* Prints how close each text is to the first: the cosine of their embeddings.
 *
 *     cc embed.c -I include liblinnet.a -lm -lpthread -o embed
 *     ./embed ./all-MiniLM-L6-v2 "a cat" "a kitten" "a lorry"
 */
#include <linnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

int main(int argc, char **argv)
{
    linnet_error error = {"usage", "want MODEL TEXT TEXT ..."};
    linnet_model *model = argc > 2 ? linnet_open(argv[1], NULL, &error) : NULL;
    int count = argc - 2, n = model ? linnet_dimensions(model) : 0;
    float *rows = model ? calloc((size_t)count * (size_t)(n ? n : 1), sizeof *rows) : NULL;
    if (!rows || !linnet_embed(model, (const char *const *)argv + 2, (size_t)count, rows, &error)) {
        fprintf(stderr, "%s: %s\n", error.kind, error.message);
        return 1;
    }
    for (int i = 1; i < count; i++) {
        const float *row = rows + i * n;
        printf("%.6f %s\n", dot(rows, row, n) / sqrt(dot(rows, rows, n) * dot(row, row, n)), argv[i + 2]);
    }
    free(rows);
    linnet_close(model);
    return 0;
}
