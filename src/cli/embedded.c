#include "cli/embedded.h"

#include <stdint.h>

extern const unsigned char embedded_config[], embedded_config_end[], embedded_tokenizer[],
    embedded_tokenizer_end[], embedded_tokenizer_config[], embedded_tokenizer_config_end[],
    embedded_weights[], embedded_weights_end[], embedded_worker[], embedded_worker_end[], embedded_page[],
    embedded_page_end[], embedded_page_style[], embedded_page_style_end[], embedded_page_script[],
    embedded_page_script_end[], embedded_page_icon[], embedded_page_icon_end[];

static struct blob between(const unsigned char *begin, const unsigned char *end)
{
    return (struct blob){begin, (size_t)((uintptr_t)end - (uintptr_t)begin)};
}

void embedded_model(struct model_files *out)
{
    static struct model_shard weights;
    weights = (struct model_shard){"model.safetensors", between(embedded_weights, embedded_weights_end)};
    *out = (struct model_files){
        .name = "sst2-minilm",
        .config = between(embedded_config, embedded_config_end),
        .tokenizer_json = between(embedded_tokenizer, embedded_tokenizer_end),
        .tokenizer_config = between(embedded_tokenizer_config, embedded_tokenizer_config_end),
        .shards = &weights,
        .shard_count = 1,
        .built_in = true,
    };
}

struct blob embedded_worker_script(void)
{
    return between(embedded_worker, embedded_worker_end);
}

const struct api_asset *embedded_assets(size_t *count)
{
    static struct api_asset assets[] = {
        {.path = "/", .type = "text/html; charset=utf-8"},
        {.path = "/ui/style.css", .type = "text/css; charset=utf-8"},
        {.path = "/ui/app.js", .type = "text/javascript; charset=utf-8"},
        {.path = "/ui/icon.svg", .type = "image/svg+xml"},
    };
    assets[0].bytes = between(embedded_page, embedded_page_end);
    assets[1].bytes = between(embedded_page_style, embedded_page_style_end);
    assets[2].bytes = between(embedded_page_script, embedded_page_script_end);
    assets[3].bytes = between(embedded_page_icon, embedded_page_icon_end);
    *count = sizeof assets / sizeof *assets;
    return assets;
}
