"""A user's script (--worker-script) whose inputs say what goes wrong. Everything else comes back with the size of its batch."""

import ctypes
import os
import signal
import sys
import time

LEAK = []


def load():
    print("load() prints")
    if os.path.exists(os.environ.get("FAULTY_SCRIPT_BROKEN", "")):
        raise RuntimeError("the flag file is there")


def fault(text):
    if text == "segfault":
        ctypes.string_at(0)
    elif text == "exit":
        os._exit(3)
    elif text == "sys.exit":
        sys.exit("enough")
    elif text == "out of memory":  # what the kernel does then
        os.kill(os.getpid(), signal.SIGKILL)
    elif text == "hang":
        time.sleep(1000)
    elif text == "hang with the GIL":
        ctypes.PyDLL(None).sleep(1000)
    elif text == "raise":
        raise RuntimeError("this text is\nbad")
    elif text == "not finite":
        return float("nan")
    elif text == "no JSON":
        return object()
    elif text == "junk":
        os.write(3, b"this is no frame")
    elif text == "close":
        os.close(3)
        time.sleep(1000)
    elif text == "print":
        print("print() prints")
        os.write(1, b"write() prints\n")
        ctypes.CDLL(None).printf(b"printf() prints\n")
    elif text == "leak":
        LEAK.append(bytearray(os.urandom(1)) * (8 << 20))
    elif text == "slow":
        time.sleep(0.3)
    elif text.startswith("hold "):  # makes the file, and computes until somebody removes it
        path = text.removeprefix("hold ")
        open(path, "w").close()
        while os.path.exists(path):
            time.sleep(0.01)
    return None


def predict(batch, **parameters):
    time.sleep(0.005)
    results = []
    for text in batch:
        result = fault(text)
        results.append({"text": text, "batch": len(batch), **parameters} if result is None else result)
    return results[:-1] if "one too few" in batch else results
