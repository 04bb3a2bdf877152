"""Commands whose standard error is a terminal: what they draw there."""
import os
import pty
import subprocess
import tempfile


def on_terminal(command, **options):
    """-> (exit status, standard output, what was drawn)"""
    master, slave = pty.openpty()
    drawn = b""
    with tempfile.TemporaryFile() as out:  # no pipe: it would fill while the terminal is read
        process = subprocess.Popen(command, stdout=out, stderr=slave, **options)
        os.close(slave)
        try:
            while chunk := os.read(master, 65536):
                drawn += chunk
        except OSError:  # the last process that had it open has ended
            pass
        os.close(master)
        status = process.wait()
        out.seek(0)
        return status, out.read(), drawn
