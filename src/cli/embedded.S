/* Files as read-only data, each with a NUL behind it. The assembler finds them by its include path (-I). */
        .section .rodata
        .macro  embed name, file
        .balign 64
        .global embedded_\name
        .global embedded_\name\()_end
        .hidden embedded_\name
        .hidden embedded_\name\()_end
embedded_\name:
        .incbin "\file"
embedded_\name\()_end:
        .byte   0
        .endm

        embed   config, "models/sst2-minilm/config.json"
        embed   tokenizer, "models/sst2-minilm/tokenizer.json"
        embed   tokenizer_config, "models/sst2-minilm/tokenizer_config.json"
        embed   weights, "models/sst2-minilm/model.safetensors"
        embed   worker, "python/linnet_worker.py"
        embed   page, "web/index.html"
        embed   page_style, "web/style.css"
        embed   page_script, "web/app.js"
        embed   page_icon, "web/icon.svg"
        embed   notice, "NOTICE"
        embed   license, "LICENSE"

        .section .note.GNU-stack, "", %progbits
