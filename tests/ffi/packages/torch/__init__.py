"""As much of torch's shape as the worker touches."""


class dtype:
    pass


float32 = dtype()


def empty(_count, device):
    if device != "cpu":
        raise RuntimeError(f"no such device here: {device}")


def set_num_threads(_count):
    pass
