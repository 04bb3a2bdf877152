"""The origin's own figures: another machine (AWS g4dn.xlarge, one T4), DistilBERT-base fine-tuned on SST-2, batch 1, one worker."""

MACHINE = "AWS g4dn.xlarge (CPU; GPU: NVIDIA T4)"

# average, min, max, median in ms, requests a second
LOCUST = {
    ("Python", "CPU"): (462, 33, 865, 480, 30.9),
    ("Rust + FFI", "CPU"): (443, 32, 695, 470, 31.3),
    ("Python", "GPU"): (66, 5, 130, 68, 206.3),
    ("Rust + FFI", "GPU"): (58, 4, 104, 60, 245.8),
}

# ms at 50 66 75 80 90 95 98 99 99.9 99.99 100 %, requests
PERCENTILES = {
    ("Python", "CPU"): (480, 480, 490, 490, 500, 500, 510, 510, 510, 870, 870, 5556),
    ("Rust + FFI", "CPU"): (470, 480, 490, 490, 500, 500, 540, 560, 640, 700, 700, 5614),
    ("Python", "GPU"): (68, 71, 73, 73, 75, 77, 81, 86, 100, 130, 130, 37610),
    ("Rust + FFI", "GPU"): (60, 60, 60, 61, 67, 70, 72, 77, 96, 110, 110, 43833),
}

# total, slowest, fastest, average in s, requests a second
HEY = {
    ("Python", "CPU"): (30.9149, 1.9750, 0.0392, 1.5046, 32.3469),
    ("Rust debug", "CPU"): (15.1572, 1.0032, 0.0526, 0.7271, 65.9752),
    ("Rust release", "CPU"): (15.2270, 1.1084, 0.0536, 0.7294, 65.6727),
    ("Python", "GPU"): (5.0085, 0.2988, 0.0119, 0.2427, 199.6598),
    ("Rust debug", "GPU"): (4.7305, 0.2561, 0.0112, 0.2308, 211.3957),
    ("Rust release", "GPU"): (4.3720, 0.2230, 0.0069, 0.2130, 228.7281),
}
# The origin's Difference column as it was printed; it does not follow from its other columns.
HEY_DIFFERENCE = {
    "CPU": ("-50.75 %", "-43.88 %", "+36.73 %", "-97.23 %", "103.03 %"),
    "GPU": ("-5.52 %", "-16.87 %", "-98.32 %", "-5.4 %", "-5.23 %"),
}
