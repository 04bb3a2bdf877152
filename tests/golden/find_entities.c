/* The library's token classification, for test_tasks.py: writes the entities of each line of stdin as label,
 * score, word, start and end with tabs between, and an empty line behind each text.
 *
 * Usage: find_entities DIRECTORY AGGREGATION. The exit status is 1, and stderr has the error, where a call
 * fails. */
#include <stdio.h>
#include <string.h>

#include "linnet.h"

static int report(const linnet_error *error)
{
    fprintf(stderr, "%s: %s\n", error->kind, error->message);
    return 1;
}

int main(int argc, char **argv)
{
    static char line[65536];
    linnet_error error;
    int status = 0;
    if (argc != 3)
        return 2;
    linnet_model *model = linnet_open(argv[1], NULL, &error);
    if (!model)
        return report(&error);
    while (status == 0 && fgets(line, sizeof line, stdin)) {
        linnet_entities entities;
        line[strcspn(line, "\n")] = '\0';
        if (!linnet_find_entities(model, line, argv[2], &entities, &error)) {
            status = report(&error);
            break;
        }
        for (size_t i = 0; i < entities.count; i++) {
            const linnet_entity *entity = &entities.items[i];
            printf("%s\t%.9g\t%s\t%zu\t%zu\n", entity->label, (double)entity->score, entity->word,
                   entity->start, entity->end);
        }
        printf("\n");
        linnet_entities_free(&entities);
    }
    linnet_close(model);
    return status;
}
