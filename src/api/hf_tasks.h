/* Hugging Face's dialect for the tasks that the native engine knows besides text classification: as
 * transformers' pipelines take and return them (version 5.24). */
#ifndef LINNET_API_HF_TASKS_H
#define LINNET_API_HF_TASKS_H

#include "api/call.h"

struct task_form {
    enum task task;
    /* Reads "inputs" and "parameters" of a request's object. */
    bool (*read)(yyjson_val *root, struct call *call, struct error *err);
    /* Appends the answer to text `index`. False: ERR_NO_MEMORY. Any thread. */
    bool (*put)(const struct call *call, size_t index, struct buf *out, struct arena *scratch,
                struct error *err);
};

/* NULL for a task that has none here. */
const struct task_form *task_form_find(enum task task);

/* Appends the answer to all texts, in a list where the request held one. */
void task_form_write(const struct task_form *form, const struct call *call, struct buf *out);

#endif
