"""The live display: one line on a terminal, rewritten; a line a step where the output is not a terminal."""

import sys
import time


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class Progress:
    def __init__(self, stream=sys.stderr):
        self.stream, self.live = stream, stream.isatty()
        self.begin = self.planned = time.monotonic()
        self.done, self.expected, self.all = 0.0, 0.0, 0.0  # seconds of the plan
        self.text, self.shown = "", ""

    def elapsed(self):
        return time.monotonic() - self.begin

    def plan(self, seconds):
        """Says how long all steps from here on are expected to take."""
        self.planned, self.all = time.monotonic(), seconds
        self.done = self.expected = 0.0

    def step(self, text, expected=0.0):
        """Starts a step of `expected` seconds; the one before is done."""
        self.done += self.expected
        self.text, self.expected = text, expected
        if self.live:
            self.tick(0)
        else:
            print(f"{minutes(self.elapsed())}  {text}", file=self.stream, flush=True)

    def left(self, taken):
        """What the plan has left, at the pace so far."""
        done = self.done + min(taken, self.expected)
        pace = (time.monotonic() - self.planned) / done if done > 30 else 1.0
        return max(0.0, (self.all - done) * pace)

    def tick(self, taken):
        if not self.live:
            return
        left = f", about {minutes(self.left(taken))} left" if self.all else ""
        line = f"{minutes(self.elapsed())}{left}  {self.text}  {int(taken)} s"
        if line != self.shown:
            self.stream.write("\r\033[K" + line)  # ESC [ K: to the end of the line
            self.stream.flush()
            self.shown = line

    def say(self, text):
        """A line that stays."""
        self.stream.write(("\r\033[K" if self.live else "") + text + "\n")
        self.stream.flush()
